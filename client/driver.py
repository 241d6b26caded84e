"""The blocking driver: runs plans with real requests, real messages and real sleep."""

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self, TypeVar

from contract.errors import DubqError
from contract.job import Job

from . import http
from .listener import Listener, Mailbox, Signal, has_redis
from .metrics import Metrics
from .steps import Line, Listen, Pause, Plan, Reply, Send, Step, Subscribe, Tell
from .transport import Transport
from .waiting import NoPushError

T = TypeVar("T")


def drive(plan: Plan[T], perform: Callable[[Step], Reply]) -> Generator[Job, None, T]:
    """Run a plan; yield each job that it tells of, return its result."""
    step = next(plan)
    while True:
        if isinstance(step, Tell):
            yield step.job
        reply = perform(step)
        try:
            step = plan.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result


def finish(told: Generator[Job, None, T], on_update: Callable[[Job], object] | None) -> T:
    """Hand on each job that a driven plan tells of, and return the plan's result."""
    with closing(told):  # also where `on_update` raises
        while True:
            try:
                job = next(told)
            except StopIteration as end:
                result: T = end.value
                return result
            if on_update:
                on_update(job)


class ClientClosedError(DubqError):
    """The client was closed, by whoever owns it; the jobs go on."""

    code = "client_closed"
    title = "This client is closed"


class Road:
    """The way to Redis of one client: asked for once, when it is first needed."""

    def __init__(self, redis_url: str | None, transport: Transport, clock: Callable[[], float]) -> None:
        self._redis_url = redis_url
        self._transport, self._clock = transport, clock
        self._client_id: str | None = None
        self._known: http.Roads | None = None
        self._lock = threading.Lock()

    def note(self, job: Job) -> None:
        """Learn from a job of ours who we are."""
        self._client_id = job.client_id

    def find(self, within_s: float) -> http.Answer[http.Roads]:
        """Return who we are and where Redis is, asking the service if need be."""
        until_s = self._clock() + within_s
        if not self._lock.acquire(timeout=within_s):
            return http.Answer(is_passing=True)  # somebody else is still asking
        try:
            if self._redis_url and self._client_id:  # also where asking was in vain before we knew
                self._known = http.Roads(client_id=self._client_id, redis_url=self._redis_url)
            if self._known is None:
                return self._ask(until_s - self._clock())
            return http.Answer(value=self._known)
        finally:
            self._lock.release()

    def _ask(self, within_s: float) -> http.Answer[http.Roads]:
        if within_s <= 0:
            return http.Answer(is_passing=True)
        answer = http.roads(self._transport.send(Send(request=http.connect(), within_s=within_s)))
        if answer.value is None:
            return answer
        self._known = answer.value
        if self._redis_url and answer.value.is_certain:
            self._known = replace(answer.value, redis_url=self._redis_url)
        return http.Answer(value=self._known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """All that performing takes. `pause` sleeps; the clock is monotonic, `now` is UTC, `chance` is in [0, 1)."""

    transport: Transport
    listener: Listener
    road: Road
    metrics: Metrics
    closed: threading.Event
    clock: Callable[[], float]
    now: Callable[[], datetime]
    chance: Callable[[], float]
    pause: Callable[[float], object]


class Performer:
    """Performs the steps of one plan. A context manager: its subscription ends with it."""

    def __init__(self, means: Means, job_id: str | None) -> None:
        self._means, self._job_id = means, job_id
        self._mailbox: Mailbox | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def __call__(self, step: Step) -> Reply:
        """Do what the step says; what the network and the service do is part of the reply, never raised.

        Raises ClientClosedError once the client is closed.
        """
        if self._means.closed.is_set():
            raise ClientClosedError(job_id=self._job_id)
        answer, line = self._perform(step)
        self._note_end(answer.value)
        return Reply(at_s=self._means.clock(), answer=answer, line=line)

    def _perform(self, step: Step) -> tuple[http.Answer[Any], Line | None]:
        match step:
            case Send():
                return self._means.transport.send(step), None
            case Subscribe(within_s):
                return self._subscribe(within_s)
            case Listen(seconds):
                return self._listen(seconds)
            case Pause(seconds):
                self._means.pause(seconds)
            case Tell():
                pass  # whoever drives has done it
        return http.Answer(), None

    def _subscribe(self, within_s: float) -> tuple[http.Answer[Any], Line]:
        self._hang_up()
        if not has_redis():
            return _no_line("being told by Redis needs the package redis: pip install redis")
        began_s = self._means.clock()
        found = self._means.road.find(within_s)
        if found.value is None:
            return found, Line.DOWN
        if found.value.redis_url is None:
            return _no_line(
                "this service tells nobody by Redis: use client.wait or client.poll_status, or give redis_url"
            )
        channel = http.channel(found.value.client_id, str(self._job_id))
        left_s = within_s - (self._means.clock() - began_s)
        try:
            self._mailbox = self._means.listener.join(found.value.redis_url, channel, left_s)
        except ValueError as error:
            return _no_line(f"the address of Redis cannot be used: {error}")
        return http.Answer(), Line.UP if self._mailbox else Line.DOWN

    def _listen(self, seconds: float) -> tuple[http.Answer[Any], Line]:
        news = self._mailbox.take(seconds) if self._mailbox else Signal.LOST
        if news is Signal.LOST:
            self._hang_up()
            return http.Answer(), Line.DOWN
        if not isinstance(news, bytes):
            return http.Answer(), Line.UP
        self._means.metrics.count_message()
        return http.Answer(value=http.job_of_message(news)), Line.UP

    def _note_end(self, value: object) -> None:
        if isinstance(value, Job) and value.done:
            self._means.metrics.count_knowing(value, self._means.now())

    def _hang_up(self) -> None:
        if self._mailbox:
            self._mailbox.leave()
            self._mailbox = None


def _no_line(reason: str) -> tuple[http.Answer[Any], Line]:
    return http.Answer(error=NoPushError(reason), is_passing=True), Line.NONE
