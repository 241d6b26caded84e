"""The asynchronous driver: runs plans with awaited requests, messages and pauses."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

from contract.job import Job

from . import answers, http
from .aio_listener import AsyncListener, AsyncMailbox
from .aio_transport import AsyncTransport
from .metrics import Metrics
from .roads import (
    NO_REDIS_PACKAGE,
    NO_ROAD,
    ClientClosedError,
    Map,
    channels,
    count_ends,
    has_redis,
    no_line,
    no_redis_at,
)
from .steps import End, Line, Listen, Pause, Plan, Reply, Send, Step, Subscribe, Tell, advance
from .switchboard import Signal

A = TypeVar("A")
T = TypeVar("T")


async def drive(plan: Plan[T], perform: Callable[[Step], Awaitable[Reply]]) -> AsyncGenerator[Job | End[T], None]:
    """Run a plan; yield each job that it tells of, and at last its result, which no such generator can return."""
    step = advance(plan, None)
    while not isinstance(step, End):
        if isinstance(step, Tell):
            yield step.job
        step = advance(plan, await perform(step))
    yield step


async def finish(running: AsyncGenerator[Job | End[T], None], on_update: Callable[[Job], object] | None) -> T:
    """Hand on each job that a driven plan tells of, and return the plan's result. `on_update` may be awaitable."""
    async with aclosing(running):  # also where `on_update` raises
        async for each in running:
            if isinstance(each, End):
                return each.value
            if on_update:
                outcome = on_update(each)
                if inspect.isawaitable(outcome):
                    await outcome
    raise AssertionError("a plan has no end")


async def pause(closed: asyncio.Event, seconds: float) -> None:
    """Sleep, but not longer than the client is open."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closed.wait()


async def each_in_a_task(work: Callable[[A], Coroutine[Any, Any, T]], things: Sequence[A], most: int) -> list[T]:
    """Return what `work` makes of each thing, `most` at once; once it raises, everything else is given up."""
    done: dict[int, T] = {}
    left = iter(list(enumerate(things)))

    async def take_turns() -> None:
        for place, thing in left:
            done[place] = await work(thing)

    tasks = [asyncio.create_task(take_turns(), name="dubq-sender") for _ in range(min(most, len(things)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [done[place] for place in range(len(things))]


class AsyncRoad:
    """The way to Redis of one client: asked for once, when it is first needed."""

    def __init__(self, redis_url: str | None, transport: AsyncTransport, clock: Callable[[], float]) -> None:
        self._map = Map(redis_url)
        self._transport, self._clock = transport, clock
        self._lock = asyncio.Lock()

    def note(self, job: Job) -> None:
        """Learn from a job of ours who we are."""
        self._map.note(job)

    async def find(self, within_s: float) -> http.Answer[http.Roads]:
        """Return who we are and where Redis is, asking the service if need be."""
        known = self._map.known()
        if known is not None:
            return http.Answer(value=known)
        until_s = self._clock() + within_s
        try:
            async with asyncio.timeout(within_s):
                await self._lock.acquire()
        except TimeoutError:
            return http.Answer(is_passing=True)  # somebody else is still asking
        try:
            known = self._map.known()
            if known is not None:
                return http.Answer(value=known)
            return await self._ask(until_s - self._clock())
        finally:
            self._lock.release()

    async def _ask(self, within_s: float) -> http.Answer[http.Roads]:
        if within_s <= 0:
            return http.Answer(is_passing=True)
        return self._map.learn(await self._transport.send(Send(request=http.connect(), within_s=within_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncMeans:
    """All that performing takes. `pause` sleeps; the clock is monotonic, `now` is UTC."""

    transport: AsyncTransport
    listener: AsyncListener
    road: AsyncRoad
    metrics: Metrics
    closed: asyncio.Event
    clock: Callable[[], float]
    now: Callable[[], datetime]
    pause: Callable[[float], Awaitable[object]]


class AsyncPerformer:
    """Performs the steps of one plan. A context manager: its subscription ends with it, which never awaits."""

    def __init__(self, means: AsyncMeans, job_ids: Sequence[str]) -> None:
        """`job_ids` are those that it can subscribe to."""
        self._means, self._job_ids = means, job_ids
        self._mailbox: AsyncMailbox | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    async def __call__(self, step: Step) -> Reply:
        """Do what the step says; what the network and the service do is part of the reply, never raised.

        Raises ClientClosedError once the client is closed.
        """
        if self._means.closed.is_set():
            raise ClientClosedError(job_id=next(iter(self._job_ids), None))
        answer, line = await self._perform(step)
        count_ends(answer.value, self._means.metrics, self._means.now())
        return Reply(at_s=self._means.clock(), answer=answer, line=line)

    async def _perform(self, step: Step) -> tuple[http.Answer[Any], Line | None]:
        match step:
            case Send():
                return await self._means.transport.send(step), None
            case Subscribe(within_s):
                return await self._subscribe(within_s)
            case Listen(seconds):
                return await self._listen(seconds)
            case Pause(seconds):
                await self._means.pause(seconds)
            case Tell():
                pass  # whoever drives has done it
        return http.Answer(), None

    async def _subscribe(self, within_s: float) -> tuple[http.Answer[Any], Line]:
        self._hang_up()
        if not has_redis():
            return no_line(NO_REDIS_PACKAGE)
        began_s = self._means.clock()
        found = await self._means.road.find(within_s)
        if found.value is None:
            return found, Line.DOWN
        if found.value.redis_url is None:
            return no_line(NO_ROAD)
        wanted = channels(found.value, self._job_ids)
        left_s = within_s - (self._means.clock() - began_s)
        try:
            self._mailbox = await self._means.listener.join(found.value.redis_url, wanted, left_s)
        except ValueError as error:
            return no_redis_at(error)
        return http.Answer(), Line.UP if self._mailbox else Line.DOWN

    async def _listen(self, seconds: float) -> tuple[http.Answer[Any], Line]:
        news = await self._mailbox.take(seconds) if self._mailbox else Signal.LOST
        if news is Signal.LOST:
            self._hang_up()
            return http.Answer(), Line.DOWN
        if not isinstance(news, bytes):
            return http.Answer(), Line.UP
        self._means.metrics.count_message()
        return http.Answer(value=answers.job_of_message(news)), Line.UP

    def _hang_up(self) -> None:
        if self._mailbox:
            self._mailbox.leave()
            self._mailbox = None


async def run(plan: Plan[T], means: AsyncMeans, job_ids: Sequence[str]) -> AsyncGenerator[Job | End[T], None]:
    """Drive a plan by a client's means; whatever it was subscribed to ends with it."""
    with AsyncPerformer(means, job_ids) as perform:
        async with aclosing(drive(plan, perform)) as driven:
            async for each in driven:
                yield each


async def told(running: AsyncGenerator[Job | End[T], None], *, only_ended: bool = False) -> AsyncGenerator[Job, None]:
    """Yield the jobs that a running plan tells of."""
    async with aclosing(running):
        async for each in running:
            if isinstance(each, Job) and (each.done or not only_ended):
                yield each
