"""What every wait has in common, be it for one job or for a thousand: when to listen, when to look, when to give up.

A plan yields what should happen next (`steps`) and is told how it went and what time it is. Being pushed to and polling
are one plan: it looks when a look is due, and in between it listens if there is a line, and sleeps if not.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar, Final, Generic, Literal, TypeAlias, TypeVar

from contract.backoff import Backoff
from contract.errors import DubqError, JobCancelledError, JobFailedError, UnknownStateError
from contract.job import Job
from contract.states import State

from .steps import Line, Listen, Pause, Plan, Reply, Subscribe, Tell

T = TypeVar("T")
Chance: TypeAlias = Callable[[], float]
"""A number in [0, 1), at random."""

OnTimeout: TypeAlias = Literal["raise", "cancel", "return"]

TIMEOUT_S: Final = 900.0
REQUEST_TIMEOUT_S: Final = 10.0

LAST_LOOK_S: Final = 1.0
"""What the look at the deadline itself may take, and so the most that a wait can overstay."""

CANCEL_S: Final = 2.0
"""What each cancelling of `on_timeout="cancel"` may take on top of that, and one more look if a job has just ended."""

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
class Patience:
    """How a caller wants to wait, whatever for."""

    push: Push
    timeout_s: float = TIMEOUT_S
    request_timeout_s: float = REQUEST_TIMEOUT_S
    on_timeout: OnTimeout = "raise"
    raise_on_failure: bool = True

    def __post_init__(self) -> None:
        check_seconds("timeout", self.timeout_s)
        check_seconds("request_timeout", self.request_timeout_s)
        if self.on_timeout not in ("raise", "cancel", "return"):
            raise ValueError(f"on_timeout has to be 'raise', 'cancel' or 'return', not {self.on_timeout!r}")


def check_seconds(name: str, value: float) -> None:
    """Raise ValueError unless `value` is a finite number that is not negative."""
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name} has to be a finite number of seconds, not {value!r}")


def verdict(job: Job, *, raise_on_failure: bool) -> Job:
    """Return a final job, or raise for one that has not been completed."""
    if job.state is State.COMPLETED or not raise_on_failure:
        return job
    if job.state is State.CANCELLED:
        raise JobCancelledError(f"job {job.job_id} was cancelled", job=job)
    if not isinstance(job.state, State):
        raise UnknownStateError(f"job {job.job_id} ended in the state {job.state!r}, which is not known here", job=job)
    why = f": {job.error.code}, {job.error.message}" if job.error else ""
    raise JobFailedError(f"job {job.job_id} failed{why}", job=job)


class Watch(ABC, Generic[T]):
    """One wait: when it looks next, and what it makes of what it is told."""

    NEWS_PUTS_OFF_A_LOOK: ClassVar[bool]

    def __init__(self, patience: Patience, at_s: float, chance: Chance) -> None:
        self._patience, self._chance = patience, chance
        self._now_s = at_s
        self._deadline_s = at_s + patience.timeout_s
        self._trouble: DubqError | None = None  # why the last look brought nothing
        self._floor_s = at_s  # the service asked not to be asked before
        self._wants_line = patience.push is not Push.NEVER
        self._has_line = False
        self._polls = self._rereads = 0  # pauses of either kind since things last went well
        self._news = 0  # how many there have been

    @abstractmethod
    def _is_over(self) -> bool:
        """Whether there is nothing left to wait for."""

    @abstractmethod
    def _look(self) -> Plan[None]:
        """Read what has to be read. Whoever is past the deadline gets a moment for it."""

    @abstractmethod
    def _is_news(self, job: Job) -> bool:
        """Whether this is newer than what is known."""

    @abstractmethod
    def _forget_another_life(self, seen: Job) -> None:
        """Begin anew with a job that did, as `is_another_life` says."""

    @abstractmethod
    def _know(self, job: Job) -> None:
        """Take note of what is news."""

    @abstractmethod
    def _result(self) -> T:
        """Return what the wait was for, once it is over, or raise for how it ended."""

    @abstractmethod
    def _give_up(self) -> Plan[T]:
        """Do what the caller wants done on a timeout, which may be to raise WaitTimeoutError."""

    @abstractmethod
    def _named(self, error: DubqError) -> DubqError:
        """Add to an error what is known of the jobs it is about."""

    def _line_is_up(self) -> None:
        """Take note that a subscription has just begun."""

    def run(self) -> Plan[T]:
        """Plan all of it."""
        while not self._is_over():
            if self._wants_line and not self._has_line and self._left_s > 0:
                yield from self._take((yield Subscribe(min(SUBSCRIBE_S, self._left_s))))
            is_last = self._left_s <= 0
            yield from self._look()
            if self._is_over():
                break
            if is_last:
                return (yield from self._give_up())
            yield from self._rest()
        return self._result()

    @property
    def _left_s(self) -> float:
        return self._deadline_s - self._now_s

    def _rest(self) -> Plan[None]:
        """Let time pass until the next look is due: on the line if there is one, where the end may come first."""
        due_s = self._next_look_s()
        while self._now_s < due_s and not self._is_over():
            if not self._has_line:
                yield from self._take((yield Pause(due_s - self._now_s)))
                return
            before = self._news
            yield from self._take((yield Listen(due_s - self._now_s)))
            if self._has_line and not self._trouble:
                self._polls = 0  # all is well: the next trouble is a new one
            is_put_off = self.NEWS_PUTS_OFF_A_LOOK and self._news > before
            if is_put_off:
                self._rereads = 0
            if is_put_off or not self._has_line:
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

    def _take_look(self, reply: Reply) -> Plan[None]:
        """Learn from a look, which is the truth: only messages, and answers overtaken by them, may be old news."""
        for job in _jobs(reply):
            self._forget_another_life(job)
        yield from self._take(reply)

    def _take(self, reply: Reply) -> Plan[None]:
        """Learn from a step. The newest `seq` wins, whatever came in between; only what is newer is told."""
        self._now_s = reply.at_s
        self._take_line(reply)
        answer = reply.answer
        if answer.error and not answer.is_passing:
            raise self._named(answer.error)
        for job in _jobs(reply):
            if self._is_news(job):
                self._news += 1
                self._know(job)
                self._now_s = (yield Tell(job)).at_s

    def _take_line(self, reply: Reply) -> None:
        if reply.line is None:
            return
        if reply.line is Line.UP and not self._has_line:
            self._line_is_up()
        self._has_line = reply.line is Line.UP
        if reply.line is Line.NONE:
            self._wants_line = False
            if self._patience.push is Push.ALWAYS and reply.answer.error:
                raise self._named(reply.answer.error)


def _jobs(reply: Reply) -> tuple[Job, ...]:
    value = reply.answer.value
    return (value,) if isinstance(value, Job) else value or ()


def is_another_life(seen: Job, known: Job | None) -> bool:
    """Whether a job that was looked at began anew: its Redis was restored, or lost and the id submitted again.

    What is merely old is so by time as well.
    """
    return known is not None and seen.seq <= known.seq and seen.updated_at > known.updated_at


def standing(job: Job | None) -> str:
    """Say in words where a job that has not ended is."""
    if job is None:
        return "has not been seen"
    stage = f" ({job.stage}, {job.progress:.0%})" if job.stage else ""
    return f"is still {job.state}{stage}"
