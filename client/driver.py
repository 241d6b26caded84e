"""The blocking driver: runs plans with real requests, real messages and real sleep."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from contract.job import Job

from . import http
from .dispatch import Dispatch
from .events import Events, Opened
from .ladder import Road
from .listener import Listener, Mailbox
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
from .transport import Transport

if TYPE_CHECKING:
    from .stream import Stream

T = TypeVar("T")


def drive(plan: Plan[T], perform: Callable[[Step], Reply]) -> Generator[Job | Warn, None, T]:
    """Run a plan; yield each job that it tells of and each warning, return its result."""
    step = advance(plan, None)
    while not isinstance(step, End):
        if isinstance(step, Tell):
            yield step.job
        elif isinstance(step, Warn):
            yield step
        step = advance(plan, perform(step))
    return step.value


def finish(
    running: Generator[Job | Warn, None, T],
    on_update: Callable[[Job], object] | None,
    on_stall: Callable[[Job], object] | None = None,
) -> T:
    """Hand on what a driven plan tells of, and return the plan's result."""
    with closing(running):  # also where one of them raises
        while True:
            try:
                each = next(running)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(each, Warn):
                if on_stall:
                    on_stall(each.job)
            elif on_update:
                on_update(each)


def told(
    running: Generator[Job | Warn, None, T], on_stall: Callable[[Job], object] | None = None
) -> Generator[Job, None, T]:
    """Yield the jobs that a driven plan tells of, and return the plan's result."""
    with closing(running):
        while True:
            try:
                each = next(running)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(each, Job):
                yield each
            elif on_stall:
                on_stall(each.job)


def ended(
    running: Generator[Job | Warn, None, object], on_stall: Callable[[Job], object] | None = None
) -> Generator[Job, None, None]:
    """Yield those jobs that have ended."""
    with closing(told(running, on_stall)) as jobs:
        for job in jobs:
            if job.done:
                yield job


class Way:
    """The way to the news of one client's jobs: asked for once, when it is first needed."""

    def __init__(
        self, redis_url: str | None, transport: Transport, clock: Callable[[], float], token: str | None = None
    ) -> None:
        self._map = Map(redis_url, token)
        self._transport, self._clock = transport, clock
        self._lock = threading.Lock()

    def note(self, job: Job) -> None:
        """Learn from a job of ours who we are."""
        self._map.note(job)

    def find(self, road: Road, within_s: float) -> http.Answer[http.Roads]:
        """Return what there is to know of it for whoever wants to take `road`, asking the service if need be."""
        known = self._map.known(road)
        if known is not None:
            return http.Answer(value=known)
        until_s = self._clock() + within_s
        if not self._lock.acquire(timeout=within_s):
            # somebody else is still asking, or so many wait that our turn has not come
            return http.Answer(value=self._map.known(road), is_passing=True)
        try:
            known = self._map.known(road)
            if known is not None:
                return http.Answer(value=known)
            return self._ask(until_s - self._clock())
        finally:
            self._lock.release()

    def _ask(self, within_s: float) -> http.Answer[http.Roads]:
        if within_s <= 0:
            return http.Answer(is_passing=True)
        return self._map.learn(self._transport.send(Send(request=http.connect(), within_s=within_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """All that performing takes. `pause` sleeps; the clock is monotonic, `now` is UTC."""

    dispatch: Dispatch
    events: Events
    listener: Listener
    way: Way
    metrics: Metrics
    memory: Memory
    closed: threading.Event
    clock: Callable[[], float]
    now: Callable[[], datetime]
    pause: Callable[[float], object]


class Performer:
    """Performs the steps of one plan. A context manager: its subscription ends with it."""

    def __init__(self, means: Means, job_ids: Sequence[str]) -> None:
        """`job_ids` are those that it can subscribe to."""
        self._means, self._job_ids = means, job_ids
        self._wanted = frozenset(job_ids)
        self._mailbox: Mailbox | Stream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def __call__(self, step: Step) -> Reply:
        """Do what the step says; what the network and the service do is part of the reply, never raised.

        Raises ClientClosedError once the client is closed.
        """
        if self._means.closed.is_set():
            raise ClientClosedError(job_id=next(iter(self._job_ids), None))
        answer, line = self._perform(step)
        count_ends(answer.value, self._means.metrics, self._means.now())
        reply = Reply(at_s=self._means.clock(), answer=answer, line=line)
        if isinstance(step, Send):
            self._means.memory.hear(step.request, answer, reply.at_s)
        return reply

    def _perform(self, step: Step) -> tuple[http.Answer[Any], Line | None]:
        match step:
            case Send():
                return self._means.dispatch.send(step), None
            case Subscribe():
                return self._subscribe(step)
            case Listen(seconds):
                return self._listen(seconds)
            case Pause(seconds):
                self._means.pause(seconds)
            case Tell() | Warn():
                pass  # whoever drives has done it
        return http.Answer(), None

    def _subscribe(self, step: Subscribe) -> tuple[http.Answer[Any], Line]:
        if step.road is Road.REDIS and not has_redis():
            return no_line(NO_REDIS_PACKAGE)
        began_s = self._means.clock()
        found = self._means.way.find(step.road, step.within_s)
        if found.value is None:
            return found, Line.DOWN
        took_s = self._means.clock() - began_s
        if step.road is Road.REDIS:
            answer, line, mailbox = self._join(found.value, step.within_s - took_s, step.left_s - took_s)
        else:
            answer, line, mailbox = self._open(found.value, step.within_s - took_s)
        if mailbox:
            self._hang_up()
            self._mailbox = mailbox
        return answer, line

    def _join(self, found: http.Roads, within_s: float, left_s: float) -> Opened:
        if found.redis_url is None:
            return *no_line(NO_ROAD), None
        try:
            names = channels(found, self._job_ids)
            mailbox = self._means.listener.join(found.redis_url, names, within_s, left_s)
        except ValueError as error:
            return *no_redis_at(error), None
        return (http.Answer(), Line.UP, mailbox) if mailbox else (http.Answer(is_away=True), Line.DOWN, None)

    def _open(self, found: http.Roads, within_s: float) -> Opened:
        if not found.has_events:
            return *no_line(NO_EVENTS), None
        return self._means.events.open(self._job_ids, within_s)

    def _listen(self, seconds: float) -> tuple[http.Answer[Any], Line]:
        news = self._mailbox.take(seconds) if self._mailbox else Signal.LOST
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
