"""How to wait for one job, and how to insist on an answer: plans without I/O, clock or dice."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from contract.errors import DubqError, IllegalTransitionError, WaitTimeoutError
from contract.job import Job
from contract.states import State

from . import http
from .ladder import FLAPPING, Road
from .patience import Patience
from .steps import Pause, Plan, Send
from .verdict import is_another_life, standing, verdict
from .watch import CANCEL_S, POLLS, Chance, Watch

T = TypeVar("T")

HOLD_S: Final = 55
"""How long an answer is held at most: many a proxy gives up after a minute."""

LAST_TRY_S: Final = 1.0
"""What a request that is insisted on may take when patience is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(Patience):
    """What the caller of a wait asks for. Without a `job_id` it is about the job of the single-job face."""

    job_id: str | None

    def __post_init__(self) -> None:
        if self.job_id is not None:
            http.check_id(self.job_id)
        Patience.__post_init__(self)


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
        within_s = min(request_timeout_s, max(deadline_s - at_s, LAST_TRY_S))
        reply = yield Send(request=request, within_s=within_s, is_retry=attempt > 0, insist=True)
        at_s, answer, attempt = reply.at_s, reply.answer, attempt + 1
        if answer.value is not None or at_s >= deadline_s or (answer.error and not answer.is_passing):
            value: T = answer.result()
            return value
        pause_s = max(POLLS.pause_s(attempt, chance()), answer.retry_after_s)
        at_s = (yield Pause(min(pause_s, deadline_s - at_s))).at_s


class _Wait(Watch[Job]):
    """The wait for one job."""

    NEWS_PUTS_OFF_A_LOOK: ClassVar = True
    SNAPSHOTS: ClassVar = frozenset({Road.SSE})

    def __init__(self, terms: Terms, at_s: float, chance: Chance) -> None:
        super().__init__(terms, at_s, chance)
        self._terms = terms
        self._latest: Job | None = None
        self._holds = Road.LONG_POLL in terms.allowed  # the service its answers, as far as we know
        self._has_room = True  # this client for one more of them
        self._lost_in_a_row = 0  # held answers that were given up because nothing came

    def _is_over(self) -> bool:
        return self._final is not None

    @property
    def _final(self) -> Job | None:
        return self._latest if self._latest and self._latest.done else None

    def _result(self) -> Job:
        if self._final is None:
            raise AssertionError("it is not over")
        return verdict(self._final, raise_on_failure=self._terms.raise_on_failure)

    def _look(self, ends_s: float, *, is_last: bool) -> Plan[None]:
        began_s, news, hold_s = self._now_s, self._news, 0 if is_last else self._hold_s()
        request = self._reading(in_full=is_last)
        quiet_s = math.inf if is_last else self._quiet.within_s
        if hold_s:
            request, quiet_s = self._held(request, hold_s, quiet_s)
        reply = yield Send(
            request=request,
            within_s=min(self._terms.request_timeout_s + hold_s, ends_s - self._now_s),
            quiet_s=quiet_s,
            is_retry=self._trouble is not None,
            insist=is_last,
        )
        answer, took_s = reply.answer, reply.at_s - began_s
        self._note(answer)
        if hold_s and (answer.error or answer.was_held):
            self._lost_in_a_row = self._lost_in_a_row + 1 if answer.is_silent else 0
        # who waits for an answer is not to wait before he asks again, whatever is good for those who poll
        self._floor_s = reply.at_s + (0.0 if answer.was_held else answer.retry_after_s)
        yield from self._take_look(reply)
        had_room, self._has_room = self._has_room, True
        self._may_follow = False
        if answer.error:
            return
        if not hold_s:
            self._quiet.took_s, self._may_follow = took_s, had_room and self._hold_s() > 0
        elif answer.is_passing:  # there was no room among the held: this one looks plainly, and the next may find some
            self._has_room, self._may_follow = False, True
        else:
            self._holds = answer.was_held
            has_waited = took_s > min(hold_s, answer.hold_s) / 2  # else something has cut it short
            self._may_follow = answer.was_held and (has_waited or (self._terms.wants_progress and self._news > news))

    def _held(self, request: http.Request[Job], hold_s: int, quiet_s: float) -> tuple[http.Request[Job], float]:
        """Have it held with pings, or, where none come through, without; return for how long it may be silent, too."""
        with_pings = self._lost_in_a_row < FLAPPING
        held = http.hold_for(request, hold_s, until_done=not self._terms.wants_progress, with_pings=with_pings)
        return held, quiet_s if with_pings else math.inf

    def _hold_s(self) -> int:
        """For how many seconds to ask the service to hold its answer; 0: not at all."""
        if not self._holds or not self._has_room or self._has_line or self._trouble:
            return 0
        if self._latest is None and (self._terms.wants_progress or self._terms.wants_warning):
            return 0  # first how it stands, and what is promised
        return max(0, int(min(HOLD_S, self._left_s, self._stalls.due_s() - self._now_s)))

    def _reading(self, *, in_full: bool) -> http.Request[Job]:
        if self._terms.job_id is None:
            return http.read_single()  # whose job may be another one the next time: nothing is "known"
        if in_full or self._latest is None:  # at the end, should another life have come as far as the known one
            return http.read_job(self._terms.job_id)
        return http.read_job(self._terms.job_id, self._latest.seq)

    def _is_news(self, job: Job) -> bool:
        known = self._latest
        return known is None or job.job_id != known.job_id or job.seq > known.seq

    def _forget_another_life(self, seen: Job) -> None:
        if is_another_life(seen, self._latest):
            self._latest = None

    def _know(self, job: Job) -> None:
        if self._latest and self._latest.job_id != job.job_id:
            self._stalls.forget(self._latest.job_id)
        self._latest, self._trouble = job, None

    def _named(self, error: DubqError) -> DubqError:
        """Add to an error what this wait knows of its job."""
        error.job = error.job or self._latest
        error.job_id = error.job_id or self._terms.job_id
        return error

    def _give_up(self) -> Plan[Job]:
        if self._terms.on_timeout == "return" and self._latest:
            return self._latest
        job_id, words = self._latest.job_id if self._latest else self._terms.job_id, standing(self._latest)
        ending = "it goes on, and can be waited for again"
        if self._terms.on_timeout == "cancel" and job_id:
            ending = yield from self._cancel(job_id)
            if self._final and self._final.state is not State.CANCELLED:
                return self._result()  # it ended before it could be cancelled
        text = f"{job_id or 'the job'} {words} after {self._terms.timeout_s:g} s; {ending}: {self._call()}"
        raise self._named(WaitTimeoutError(text, job_id=job_id)) from self._trouble

    def _cancel(self, job_id: str) -> Plan[str]:
        """Ask the job to stop; return how that went, in words."""
        within_s = min(self._terms.request_timeout_s, CANCEL_S)
        reply = yield Send(request=http.cancel(job_id), within_s=within_s, insist=True)
        error = reply.answer.error
        if isinstance(error, IllegalTransitionError):  # it has just ended
            yield from self._look(self._now_s + within_s, is_last=True)
        elif error:
            return f"it could not be cancelled ({error}), goes on, and can be waited for again"
        else:
            yield from self._take(reply)
        return "it was asked to stop, which can be waited for"

    def _call(self) -> str:
        return f"client.wait({self._terms.job_id!r})" if self._terms.job_id else "client.poll_status()"
