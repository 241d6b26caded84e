"""What every wait has in common, be it for one job or for a thousand: when to listen, when to look, when to give up.

A plan yields what should happen next (`steps`) and is told how it went and what time it is. All roads are one plan: it
looks when a look is due, and in between it listens if there is a line, and sleeps if not.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final, Generic, TypeAlias, TypeVar

from contract.backoff import Backoff
from contract.errors import DubqError
from contract.job import Job

from .http import Answer
from .ladder import KNOCK_S, Ladder, Road
from .patience import Patience, Push
from .quiet import Quiet
from .schedule import Schedule
from .stalls import Stalls
from .steps import Line, Listen, Pause, Plan, Reply, Subscribe, Tell, Warn

T = TypeVar("T")
Chance: TypeAlias = Callable[[], float]
"""A number in [0, 1), at random."""

GRACE_S: Final = 0.08
"""What the answer to the last look may come too late, and so the most that a wait can overstay."""

MOST_LEAD_S: Final = 1.0
"""How long before the deadline the last look may begin."""

NEAR_S: Final = 1.0
"""A look that would come so shortly before the deadline comes at it."""

CANCEL_S: Final = 2.0
"""What each cancelling of `on_timeout="cancel"` may take on top of that, and one more look if a job has just ended."""

SUBSCRIBE_S: Final = 2.0
"""Longer than any healthy server needs; meanwhile nobody polls."""

ACKNOWLEDGE_S: Final = 20.0
"""What a subscription may take that was sent on a line which lives: thousands at once take seconds."""

SNAPSHOT_S: Final = 2.0
"""A line that begins with the job as it is has said so by then, or there is a look."""

POLLS: Final = Backoff()
REREADS: Final = Backoff(first_s=40.0, factor=1.5, cap_s=300.0)
"""A job on a silent line is re-read, for messages may be lost: after 20 to 40 s, then ever more seldom."""


class Watch(ABC, Generic[T]):
    """One wait: which road it takes, when it looks next, and what it makes of what it is told."""

    NEWS_PUTS_OFF_A_LOOK: ClassVar[bool]
    SNAPSHOTS: ClassVar[frozenset[Road]]
    """Lines that begin with what a look would find."""

    def __init__(self, patience: Patience, at_s: float, chance: Chance) -> None:
        self._patience, self._chance = patience, chance
        self._now_s = at_s
        self._deadline_s = at_s + patience.timeout_s
        self._ladder = Ladder(patience.allowed, chance)
        self._due_s = at_s  # when to look next
        self._asked_s = at_s  # when the last look began
        self._may_knock = False  # nobody was there when that was asked for
        self._floor_s = at_s  # the service asked not to be asked before
        self._quiet = Quiet(patience.request_timeout_s)
        self._may_follow = False  # another one, at once, which the service will hold until there is news
        self._trouble: DubqError | None = None  # why the last one brought nothing
        self._awaits_snapshot = False  # on the line, instead of a look
        self._stalls = Stalls()
        self._schedule = Schedule(POLLS)
        self._polls = self._rereads = 0  # pauses of either kind since things last went well
        self._news = 0  # how many there have been

    @abstractmethod
    def _is_over(self) -> bool:
        """Whether there is nothing left to wait for."""

    @abstractmethod
    def _look(self, ends_s: float, *, is_last: bool) -> Plan[None]:
        """Read what has to be read; what is not there at `ends_s` is not to be had. Leave word of how it went."""

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

    def _must_read_all(self) -> None:
        """Take note that anything may have happened unheard: a line has just begun, or is in doubt."""

    def run(self) -> Plan[T]:
        """Plan all of it."""
        yield from self._begin()
        while not self._is_over():
            yield from self._climb()
            yield from self._warn()
            if self._now_s >= self._last_look_s:
                yield from self._look(max(self._deadline_s, self._now_s) + GRACE_S, is_last=True)
                yield from self._sit_out()
                break
            if self._now_s >= self._due_s:
                self._asked_s = self._now_s
                yield from self._look(self._deadline_s, is_last=False)
                self._due_s = self._now_s if self._may_follow else self._next_look_s()
            else:
                yield from self._rest()
        return self._result() if self._is_over() else (yield from self._give_up())

    def _begin(self) -> Plan[None]:
        """Take what the submit was told for the first look, if the wait has no road but asking; else look at once.

        The next look is due as after any other, but without jitter, as submits come when they come: so who knows no
        eta looks after the shortest pause. A wait that would be over by then looks at once, too: it has to learn how
        long an answer takes.
        """
        told = self._patience.told
        if self._patience.allowed or not told:
            return
        for each in told:
            self._learn(each.job, each.at_s)
            self._now_s = (yield Tell(each.job)).at_s
        heard_s = max(each.at_s for each in told)
        self._floor_s = max(each.at_s + each.retry_after_s for each in told)
        due_s = max(heard_s + self._schedule.pause_s(heard_s, 1, 0.0), self._floor_s)
        if self._now_s < due_s < self._deadline_s - NEAR_S:
            self._due_s, self._polls = due_s, 1

    @property
    def _has_line(self) -> bool:
        return self._ladder.line is not None

    @property
    def _left_s(self) -> float:
        return self._deadline_s - self._now_s

    @property
    def _last_look_s(self) -> float:
        """When the last look begins: its answer is there at the deadline if it takes as long as the one before."""
        return self._deadline_s - min(self._quiet.took_s, MOST_LEAD_S)

    def _note(self, answer: Answer[Any]) -> None:
        """Take note of how a look went."""
        self._trouble = answer.error
        self._quiet.note(answer)
        self._may_knock = answer.is_away and not answer.is_silent and bool(self._patience.allowed)

    def _climb(self) -> Plan[None]:
        """Bring up the best line that there is, if it is time to try."""
        while self._now_s < self._last_look_s and (road := self._ladder.to_try(self._now_s)):
            reply = yield Subscribe(road, min(SUBSCRIBE_S, self._left_s), min(ACKNOWLEDGE_S, self._left_s))
            self._now_s = reply.at_s
            if reply.line in (Line.UP, Line.BEHIND):
                self._ladder.is_up(road, self._now_s)
                self._polls = 0  # should the look that it needs fail, the next one is not to be late
                self._awaits_snapshot = road in self.SNAPSHOTS and reply.line is Line.UP
                self._due_s = self._now_s + (SNAPSHOT_S if self._awaits_snapshot else 0.0)
                self._must_read_all()
            elif reply.line is Line.NONE:
                self._ladder.is_closed(road)
                if self._patience.push is Push.ALWAYS and reply.answer.error:
                    raise self._named(reply.answer.error)
            else:
                rest_s = reply.answer.retry_after_s
                self._ladder.is_down(road, self._now_s, was_answered=not reply.answer.is_away, rest_s=rest_s)
            self._raise_refusal(reply)

    def _rest(self) -> Plan[None]:
        """Let time pass until something is due: on the line if there is one, where the end may come first."""
        until_s = min(self._due_s, self._last_look_s, self._ladder.next_try_s(), self._stalls.due_s())
        yield from self._idle(until_s - self._now_s)

    def _sit_out(self) -> Plan[None]:
        """Let what is left of the time pass after the last look, in case it was answered sooner than expected."""
        while self._left_s > 0 and not self._is_over():
            yield from self._idle(self._left_s)

    def _idle(self, seconds: float) -> Plan[None]:
        if self._has_line:
            yield from self._listen(seconds)
        else:
            yield from self._take((yield Pause(seconds)))

    def _listen(self, seconds: float) -> Plan[None]:
        before = self._news
        reply = yield Listen(seconds)
        if self._awaits_snapshot and _jobs(reply):
            self._awaits_snapshot = False
            yield from self._take_look(reply)
            self._due_s = self._next_look_s()
        else:
            yield from self._take(reply)
        if reply.line is Line.DOWN:
            self._ladder.is_lost(self._now_s)
            self._due_s = min(self._due_s, self._next_look_s())
            return
        if reply.line is Line.QUIET:
            if not self._may_knock:  # else it is due already
                self._due_s = self._now_s  # a message may have been lost with it; if not, it may speak again
            self._must_read_all()
            return
        if not self._trouble:
            self._polls = 0  # all is well: the next trouble is a new one
        if self.NEWS_PUTS_OFF_A_LOOK and self._news > before:
            self._rereads = 0
            self._due_s = self._next_look_s()

    def _next_look_s(self) -> float:
        """Return when to look again."""
        if self._has_line and not self._trouble:
            self._rereads += 1
            pause_s = REREADS.pause_s(self._rereads, self._chance())
        else:
            self._polls += 1
            pause_s = self._poll_pause_s(self._chance())
        # who has said nothing for a while has used that much of the pause
        began_s = self._asked_s if self._quiet.silences else self._now_s
        due_s = max(began_s + pause_s, self._now_s, self._floor_s)
        # what would come just before the deadline comes at it
        return due_s if due_s < self._deadline_s - NEAR_S else math.inf

    def _poll_pause_s(self, chance: float) -> float:
        if self._may_knock:  # or somebody has just done so, and it is said when it may be done again
            return KNOCK_S * (1 + chance / 2) if self._floor_s <= self._now_s else 0.0
        # the first silence speaks of one connection alone, so it is not to be paid for by who has polled for long
        pause_s = POLLS.pause_s(self._quiet.silences or self._polls, chance)
        if self._trouble:
            return pause_s  # it says more than when the job should end
        by_eta_s = self._schedule.pause_s(self._now_s, self._polls, chance)
        # where a line was lost, its last message may have been lost with it
        may_come_back = self._ladder.next_try_s() < math.inf
        return min(pause_s, by_eta_s) if may_come_back else by_eta_s

    def _warn(self) -> Plan[None]:
        """Say of each job once that there has been no news for long, if so."""
        while silent := self._stalls.take(self._now_s):
            self._now_s = (yield Warn(silent)).at_s

    def _take_look(self, reply: Reply) -> Plan[None]:
        """Learn from a look, which is the truth: only messages, and answers overtaken by them, may be old news."""
        for job in _jobs(reply):
            self._forget_another_life(job)
        yield from self._take(reply)

    def _take(self, reply: Reply) -> Plan[None]:
        """Learn from a step. The newest `seq` wins, whatever came in between; only what is newer is told."""
        self._now_s = reply.at_s
        self._raise_refusal(reply)
        for job in _jobs(reply):
            if self._is_news(job):
                self._news += 1
                self._learn(job, self._now_s)
                self._now_s = (yield Tell(job)).at_s

    def _learn(self, job: Job, at_s: float) -> None:
        self._know(job)
        self._schedule.hear(job, at_s)
        if self._patience.wants_warning:
            self._stalls.hear(job, at_s)

    def _raise_refusal(self, reply: Reply) -> None:
        answer = reply.answer
        if answer.error and not answer.is_passing:
            raise self._named(answer.error)


def _jobs(reply: Reply) -> tuple[Job, ...]:
    value = reply.answer.value
    return (value,) if isinstance(value, Job) else value or ()
