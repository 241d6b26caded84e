"""The asynchronous driver: runs plans with awaited requests, messages and pauses."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from contract.job import Job

from . import http
from .aio_dispatch import AsyncDispatch
from .aio_events import AsyncEvents, Opened
from .aio_listener import AsyncListener, AsyncMailbox
from .aio_transport import AsyncTransport
from .ladder import Road
from .memory import Memory
from .metrics import Metrics
from .roads import (
    NO_EVENTS,
    NO_REDIS_PACKAGE,
    NO_ROAD,
    ClientClosedError,
    Map,
    channels,
    count_ends,
    has_redis,
    no_line,
    no_redis_at,
    pushed,
)
from .steps import End, Line, Listen, Pause, Plan, Reply, Send, Step, Subscribe, Tell, Warn, advance
from .switchboard import Signal

if TYPE_CHECKING:
    from .aio_stream import AsyncStream

T = TypeVar("T")
Word: TypeAlias = Job | Warn | End[T]


async def drive(plan: Plan[T], perform: Callable[[Step], Awaitable[Reply]]) -> AsyncGenerator[Word[T], None]:
    """Run a plan; yield what it tells of, and at last its result, which no such generator can return."""
    step = advance(plan, None)
    while not isinstance(step, End):
        if isinstance(step, Tell):
            yield step.job
        elif isinstance(step, Warn):
            yield step
        step = advance(plan, await perform(step))
    yield step


async def finish(
    running: AsyncGenerator[Word[T], None],
    on_update: Callable[[Job], object] | None,
    on_stall: Callable[[Job], object] | None = None,
) -> T:
    """Hand on what a driven plan tells of, and return the plan's result. The two may be coroutine functions."""
    async with aclosing(running):  # also where one of them raises
        async for each in running:
            if isinstance(each, End):
                return each.value
            hear, job = (on_stall, each.job) if isinstance(each, Warn) else (on_update, each)
            await call(hear, job)
    raise AssertionError("a plan has no end")


async def call(hear: Callable[[Job], object] | None, job: Job) -> None:
    """Hand a job to whoever wants to hear of it, which may be a coroutine function."""
    outcome = hear(job) if hear else None
    if inspect.isawaitable(outcome):
        await outcome


async def pause(closed: asyncio.Event, seconds: float) -> None:
    """Sleep, but not longer than the client is open."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closed.wait()


class AsyncWay:
    """The way to the news of one client's jobs: asked for once, when it is first needed."""

    def __init__(
        self, redis_url: str | None, transport: AsyncTransport, clock: Callable[[], float], token: str | None = None
    ) -> None:
        self._map = Map(redis_url, token)
        self._transport, self._clock = transport, clock
        self._lock = asyncio.Lock()

    def note(self, job: Job) -> None:
        """Learn from a job of ours who we are."""
        self._map.note(job)

    async def find(self, road: Road, within_s: float) -> http.Answer[http.Roads]:
        """Return what there is to know of it for whoever wants to take `road`, asking the service if need be."""
        known = self._map.known(road)
        if known is not None:
            return http.Answer(value=known)
        until_s = self._clock() + within_s
        try:
            async with asyncio.timeout(within_s):
                await self._lock.acquire()
        except TimeoutError:
            # somebody else is still asking, or so many wait that our turn has not come
            return http.Answer(value=self._map.known(road), is_passing=True)
        try:
            known = self._map.known(road)
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

    dispatch: AsyncDispatch
    events: AsyncEvents
    listener: AsyncListener
    way: AsyncWay
    metrics: Metrics
    memory: Memory
    closed: asyncio.Event
    clock: Callable[[], float]
    now: Callable[[], datetime]
    pause: Callable[[float], Awaitable[object]]


class AsyncPerformer:
    """Performs the steps of one plan. A context manager: its subscription ends with it, which never awaits."""

    def __init__(self, means: AsyncMeans, job_ids: Sequence[str]) -> None:
        """`job_ids` are those that it can subscribe to."""
        self._means, self._job_ids = means, job_ids
        self._wanted = frozenset(job_ids)
        self._mailbox: AsyncMailbox | AsyncStream | None = None

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
        reply = Reply(at_s=self._means.clock(), answer=answer, line=line)
        if isinstance(step, Send):
            self._means.memory.hear(step.request, answer, reply.at_s)
        return reply

    async def _perform(self, step: Step) -> tuple[http.Answer[Any], Line | None]:
        match step:
            case Send():
                return await self._means.dispatch.send(step), None
            case Subscribe():
                return await self._subscribe(step)
            case Listen(seconds):
                return await self._listen(seconds)
            case Pause(seconds):
                await self._means.pause(seconds)
            case Tell() | Warn():
                pass  # whoever drives has done it
        return http.Answer(), None

    async def _subscribe(self, step: Subscribe) -> tuple[http.Answer[Any], Line]:
        if step.road is Road.REDIS and not has_redis():
            return no_line(NO_REDIS_PACKAGE)
        began_s = self._means.clock()
        found = await self._means.way.find(step.road, step.within_s)
        if found.value is None:
            return found, Line.DOWN
        took_s = self._means.clock() - began_s
        if step.road is Road.REDIS:
            answer, line, mailbox = await self._join(found.value, step.within_s - took_s, step.left_s - took_s)
        else:
            answer, line, mailbox = await self._open(found.value, step.within_s - took_s)
        if mailbox:
            self._hang_up()
            self._mailbox = mailbox
        return answer, line

    async def _join(self, found: http.Roads, within_s: float, left_s: float) -> Opened:
        if found.redis_url is None:
            return *no_line(NO_ROAD), None
        try:
            names = channels(found, self._job_ids)
            mailbox = await self._means.listener.join(found.redis_url, names, within_s, left_s)
        except ValueError as error:
            return *no_redis_at(error), None
        return (http.Answer(), Line.UP, mailbox) if mailbox else (http.Answer(is_away=True), Line.DOWN, None)

    async def _open(self, found: http.Roads, within_s: float) -> Opened:
        if not found.has_events:
            return *no_line(NO_EVENTS), None
        return await self._means.events.open(self._job_ids, within_s)

    async def _listen(self, seconds: float) -> tuple[http.Answer[Any], Line]:
        news = await self._mailbox.take(seconds) if self._mailbox else Signal.LOST
        if news is Signal.LOST:
            self._hang_up()
            return http.Answer(), Line.DOWN
        if news is None or isinstance(news, Signal):
            return http.Answer(), Line.QUIET if news is Signal.QUIET else Line.UP
        self._means.metrics.count_message()
        return pushed(news, self._wanted), Line.UP

    def _hang_up(self) -> None:
        if self._mailbox:
            self._mailbox.leave()
            self._mailbox = None


async def run(plan: Plan[T], means: AsyncMeans, job_ids: Sequence[str]) -> AsyncGenerator[Word[T], None]:
    """Drive a plan by a client's means; whatever it was subscribed to ends with it."""
    with AsyncPerformer(means, job_ids) as perform:
        async with aclosing(drive(plan, perform)) as driven:
            async for each in driven:
                yield each


async def told(
    running: AsyncGenerator[Word[T], None],
    on_stall: Callable[[Job], object] | None = None,
    *,
    only_ended: bool = False,
) -> AsyncGenerator[Job, None]:
    """Yield the jobs that a running plan tells of."""
    async with aclosing(running):
        async for each in running:
            if isinstance(each, Warn):
                await call(on_stall, each.job)
            elif isinstance(each, Job) and (each.done or not only_ended):
                yield each
