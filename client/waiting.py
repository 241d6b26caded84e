"""How to wait for a job and how to insist on an answer: plans without I/O, clock or dice.

A plan yields what should happen next (`steps`) and is told how it went and what time it is. Being pushed to and polling
are one plan: it looks at the job when a look is due, and in between it listens if there is a line, and sleeps if not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Literal, TypeAlias, TypeVar

from contract.backoff import Backoff
from contract.errors import (
    DubqError,
    IllegalTransitionError,
    JobCancelledError,
    JobFailedError,
    WaitTimeoutError,
)
from contract.job import Job
from contract.states import State

from . import http
from .steps import Line, Listen, Pause, Plan, Reply, Send, Subscribe, Tell

T = TypeVar("T")
Chance: TypeAlias = Callable[[], float]
"""A number in [0, 1), at random."""

OnTimeout: TypeAlias = Literal["raise", "cancel", "return"]

TIMEOUT_S: Final = 900.0
REQUEST_TIMEOUT_S: Final = 10.0

LAST_LOOK_S: Final = 1.0
"""What the request at the deadline itself may take, and so the most that a wait can overstay."""

CANCEL_S: Final = 2.0
"""What `on_timeout="cancel"` may take on top of that, and one more look if the job has just ended."""

SUBSCRIBE_S: Final = 2.0
"""Longer than any healthy server needs; meanwhile nobody polls."""

POLLS: Final = Backoff()
REREADS: Final = Backoff(first_s=40.0, factor=1.5, cap_s=300.0)
"""A line that is silent is re-read, for messages may be lost: after 20 to 40 s, then ever more seldom."""


class Push(Enum):
    """What a wait makes of Redis."""

    NEVER = auto()  # poll
    IF_OFFERED = auto()  # the best there is
    ALWAYS = auto()  # raise if there is none; while it is away, poll


class NoPushError(DubqError):
    """This client cannot be pushed to; `client.wait` and `client.poll_status` work without."""

    code = "no_push"
    title = "There is no Redis to be told by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the caller of a wait asks for. Without a `job_id` it is about the job of the single-job face."""

    job_id: str | None
    push: Push
    timeout_s: float = TIMEOUT_S
    request_timeout_s: float = REQUEST_TIMEOUT_S
    on_timeout: OnTimeout = "raise"
    raise_on_failure: bool = True

    def __post_init__(self) -> None:
        if self.job_id is not None:
            http.check_id(self.job_id)
        check_seconds("timeout", self.timeout_s)
        check_seconds("request_timeout", self.request_timeout_s)
        if self.on_timeout not in ("raise", "cancel", "return"):
            raise ValueError(f"on_timeout has to be 'raise', 'cancel' or 'return', not {self.on_timeout!r}")


def check_seconds(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number that is not negative."""
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name} has to be a finite number of seconds, not {value!r}")


def wait(terms: Terms, at_s: float, chance: Chance) -> Plan[Job]:
    """Plan the wait for a job's end that begins at `at_s`; return the final job.

    Subscribe, have it acknowledged, read the job, then take what is newer by `seq`: so nothing can be missed.
    Raises JobFailedError, JobCancelledError, WaitTimeoutError, NoPushError, and what the service refuses for good.
    """
    return _Wait(terms, at_s, chance).run()


def insist(
    request: http.Request[T], patience_s: float, request_timeout_s: float, at_s: float, chance: Chance
) -> Plan[T]:
    """Plan to send a request, which must be safe to send twice, until it has a usable answer; return its value.

    Raises what the service refuses for good, and the last passing error once the patience is over.
    """
    deadline_s, attempt = at_s + patience_s, 0
    while True:
        within_s = min(request_timeout_s, max(deadline_s - at_s, LAST_LOOK_S))
        reply = yield Send(request=request, within_s=within_s, is_retry=attempt > 0, insist=True)
        at_s, answer, attempt = reply.at_s, reply.answer, attempt + 1
        if answer.value is not None or at_s >= deadline_s or (answer.error and not answer.is_passing):
            value: T = answer.result()
            return value
        pause_s = max(POLLS.pause_s(attempt, chance()), answer.retry_after_s)
        at_s = (yield Pause(min(pause_s, deadline_s - at_s))).at_s


def verdict(job: Job, *, raise_on_failure: bool) -> Job:
    """Return a final job, or raise for one that has not been completed."""
    if job.state is State.COMPLETED or not raise_on_failure:
        return job
    if job.state is State.CANCELLED:
        raise JobCancelledError(f"job {job.job_id} was cancelled", job=job)
    why = f": {job.error.code}, {job.error.message}" if job.error else ""
    raise JobFailedError(f"job {job.job_id} failed{why}", job=job)


class _Wait:
    """One wait: what it knows, and when it looks next."""

    def __init__(self, terms: Terms, at_s: float, chance: Chance) -> None:
        self._terms, self._chance = terms, chance
        self._now_s = at_s
        self._deadline_s = at_s + terms.timeout_s
        self._latest: Job | None = None
        self._trouble: DubqError | None = None  # why the last look brought nothing
        self._floor_s = at_s  # the service asked not to be asked before
        self._wants_line = terms.push is not Push.NEVER
        self._has_line = False
        self._polls = self._rereads = 0  # pauses of either kind since things last went well

    def run(self) -> Plan[Job]:
        while self._final is None:
            if self._wants_line and not self._has_line and self._left_s > 0:
                yield from self._take((yield Subscribe(min(SUBSCRIBE_S, self._left_s))))
            if self._left_s <= 0:
                return (yield from self._look_for_the_last_time())
            yield from self._look()
            if self._final is None:
                yield from self._rest()
        return self._verdict(self._final)

    @property
    def _left_s(self) -> float:
        return self._deadline_s - self._now_s

    @property
    def _final(self) -> Job | None:
        return self._latest if self._latest and self._latest.done else None

    def _verdict(self, final: Job) -> Job:
        return verdict(final, raise_on_failure=self._terms.raise_on_failure)

    def _look(self) -> Plan[None]:
        """Read the job. Whoever is past the deadline gets a moment for it."""
        is_last = self._left_s <= 0
        within_s = min(self._terms.request_timeout_s, LAST_LOOK_S if is_last else self._left_s)
        is_retry = self._trouble is not None
        reply = yield Send(request=self._reading(), within_s=within_s, is_retry=is_retry, insist=is_last)
        self._trouble = reply.answer.error
        self._floor_s = reply.at_s + reply.answer.retry_after_s
        self._forget_another_life(reply.answer.value)
        yield from self._take(reply)

    def _reading(self) -> http.Request[Job]:
        if self._terms.job_id is None:
            return http.read_single()  # whose job may be another one the next time: nothing is "known"
        if self._left_s <= 0:
            return http.read_job(self._terms.job_id)  # in full, should another life have come as far as the known one
        return http.read_job(self._terms.job_id, self._latest.seq if self._latest else None)

    def _rest(self) -> Plan[None]:
        """Let time pass until the next look is due: on the line if there is one, where the job's end may come first."""
        due_s = self._next_look_s()
        while self._now_s < due_s and self._final is None:
            if not self._has_line:
                yield from self._take((yield Pause(due_s - self._now_s)))
                return
            known = self._latest
            yield from self._take((yield Listen(due_s - self._now_s)))
            if self._has_line and not self._trouble:
                self._polls = 0  # all is well: the next trouble is a new one
            if self._latest is not known:
                self._rereads = 0
            if not self._has_line or self._latest is not known:
                due_s = self._next_look_s()

    def _next_look_s(self) -> float:
        """Return when to look again, which is the deadline at the latest."""
        if self._has_line and not self._trouble:
            self._rereads += 1
            pause_s = REREADS.pause_s(self._rereads, self._chance())
        else:
            self._polls += 1
            pause_s = POLLS.pause_s(self._polls, self._chance())
        due_s = max(self._now_s + pause_s, self._floor_s)
        # what would come just before the deadline comes at it
        return due_s if due_s < self._deadline_s - LAST_LOOK_S else self._deadline_s

    def _take(self, reply: Reply) -> Plan[None]:
        """Learn from a step. The newest `seq` wins, whatever came in between; only what is newer is told."""
        self._now_s = reply.at_s
        self._take_line(reply)
        answer = reply.answer
        if answer.error and not answer.is_passing:
            raise self._named(answer.error)
        job = answer.value
        if job is not None and self._is_news(job):
            self._latest, self._trouble = job, None
            self._now_s = (yield Tell(job)).at_s

    def _take_line(self, reply: Reply) -> None:
        if reply.line is None:
            return
        self._has_line = reply.line is Line.UP
        if reply.line is Line.NONE:
            self._wants_line = False
            if self._terms.push is Push.ALWAYS and reply.answer.error:
                raise self._named(reply.answer.error)

    def _is_news(self, job: Job) -> bool:
        known = self._latest
        return known is None or job.job_id != known.job_id or job.seq > known.seq

    def _forget_another_life(self, seen: Job | None) -> None:
        """Begin anew with a job that did: its Redis was restored from a backup, or lost and the id submitted again.

        A look is the truth. Only messages, and answers overtaken by them, may be old, which they are by time as well.
        """
        known = self._latest
        if seen and known and seen.seq <= known.seq and seen.updated_at > known.updated_at:
            self._latest = None

    def _named(self, error: DubqError) -> DubqError:
        """Add to an error what this wait knows of its job."""
        error.job = error.job or self._latest
        error.job_id = error.job_id or self._terms.job_id
        return error

    def _look_for_the_last_time(self) -> Plan[Job]:
        """Ask once more, then do what the caller wants done on a timeout, which may be to raise WaitTimeoutError."""
        yield from self._look()
        if self._final:
            return self._verdict(self._final)
        if self._terms.on_timeout == "return" and self._latest:
            return self._latest
        job_id, standing = self._latest.job_id if self._latest else self._terms.job_id, _standing(self._latest)
        ending = "it goes on, and can be waited for again"
        if self._terms.on_timeout == "cancel" and job_id:
            ending = yield from self._cancel(job_id)
            if self._final and self._final.state is not State.CANCELLED:
                return self._verdict(self._final)  # it ended before it could be cancelled
        text = f"{job_id or 'the job'} {standing} after {self._terms.timeout_s:g} s; {ending}: {self._call()}"
        raise self._named(WaitTimeoutError(text, job_id=job_id)) from self._trouble

    def _cancel(self, job_id: str) -> Plan[str]:
        """Ask the job to stop; return how that went, in words."""
        within_s = min(self._terms.request_timeout_s, CANCEL_S)
        reply = yield Send(request=http.cancel(job_id), within_s=within_s, insist=True)
        error = reply.answer.error
        if isinstance(error, IllegalTransitionError):  # it has just ended
            yield from self._look()
        elif error:
            return f"it could not be cancelled ({error}), goes on, and can be waited for again"
        else:
            yield from self._take(reply)
        return "it was asked to stop, which can be waited for"

    def _call(self) -> str:
        return f"client.wait({self._terms.job_id!r})" if self._terms.job_id else "client.poll_status()"


def _standing(job: Job | None) -> str:
    if job is None:
        return "has not been seen"
    stage = f" ({job.stage}, {job.progress:.0%})" if job.stage else ""
    return f"is still {job.state}{stage}"
