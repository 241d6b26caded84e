"""Many jobs at once: how to wait for all of them. A plan, without I/O.

A wait for a thousand jobs is one subscription and, where jobs have to be read, bulk reads. What is bounded for one job
is bounded for each of many: messages about some do not put off the look at those that are silent.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Final

from contract.errors import (
    DubqError,
    IllegalTransitionError,
    JobNotFoundError,
    WaitTimeoutError,
)
from contract.job import Job
from contract.states import State

from . import http
from .ladder import Road
from .patience import Patience
from .steps import Plan, Send
from .verdict import is_another_life, verdict
from .waiting import Terms, wait
from .watch import CANCEL_S, Chance, Watch

NAMED_IDS: Final = 3
"""How many ids an error's text names; `jobs` has all."""


class ManyTimeoutError(WaitTimeoutError):
    """The caller's patience ran out before all jobs had ended; `jobs` has those that were seen, ended or not, by id."""

    code = "many_wait_timeout"
    title = "The wait for many jobs timed out"

    def __init__(self, message: str, *, jobs: Mapping[str, Job]) -> None:
        super().__init__(message)
        self.jobs = dict(jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyTerms(Patience):
    """What the caller of a wait for many jobs asks for; each id counts once."""

    job_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        for job_id in self.job_ids:
            http.check_id(job_id)
        Patience.__post_init__(self)


def wait_all(terms: ManyTerms, at_s: float, chance: Chance) -> Plan[dict[str, Job]]:
    """Plan the wait for the end of all jobs that begins at `at_s`; return them by id, in the order asked.

    How they end is only looked at once all have; then the first that failed, in the order asked, raises if that is
    wanted. A job that does not exist ends the wait at once, as anything does that the service refuses for good.
    Raises JobFailedError, JobCancelledError, ManyTimeoutError, JobNotFoundError, NoPushError.
    """
    return _alone(terms, at_s, chance) if len(terms.job_ids) == 1 else _WaitAll(terms, at_s, chance).run()


def _alone(terms: ManyTerms, at_s: float, chance: Chance) -> Plan[dict[str, Job]]:
    """Wait for one job as whoever waits for one alone, who may have an answer held or a stream of its own."""
    shared = {each.name: getattr(terms, each.name) for each in fields(Patience)}
    (job_id,) = terms.job_ids
    try:
        return {job_id: (yield from wait(Terms(job_id=job_id, **shared), at_s, chance))}
    except WaitTimeoutError as error:
        many = ManyTimeoutError(str(error), jobs={job_id: error.job} if error.job else {})
        many.job_id, many.job = job_id, error.job
        raise many from error.__cause__


class _WaitAll(Watch[dict[str, Job]]):
    """The wait for many jobs."""

    NEWS_PUTS_OFF_A_LOOK: ClassVar = False
    SNAPSHOTS: ClassVar = frozenset[Road]()  # a stream about all jobs does not say how each of them is

    def __init__(self, terms: ManyTerms, at_s: float, chance: Chance) -> None:
        super().__init__(terms, at_s, chance)
        self._terms = terms
        self._known: dict[str, Job] = {}
        self._open = dict.fromkeys(terms.job_ids)  # in the order asked, as a set cannot be
        self._unread: dict[str, None] = {}  # what the look that is under way has yet to read
        self._heard: set[str] = set()  # on the line, since the last look

    def _is_over(self) -> bool:
        return not self._open

    def _result(self) -> dict[str, Job]:
        jobs = self._in_order()
        for job in jobs.values():
            verdict(job, raise_on_failure=self._terms.raise_on_failure)
        return jobs

    def _in_order(self) -> dict[str, Job]:
        return {job_id: self._known[job_id] for job_id in self._terms.job_ids if job_id in self._known}

    def _look(self, ends_s: float, *, is_last: bool) -> Plan[None]:
        """Read, in chunks, what was not heard of since the last look; after trouble, what that look still lacks."""
        began_s, is_new = self._now_s, is_last or not self._unread
        if is_new:
            silent = self._open.keys() - self._heard if self._has_line and not is_last else self._open.keys()
            self._unread = {job_id: None for job_id in self._open if job_id in silent}
            self._heard.clear()
        self._floor_s = self._now_s
        for chunk in http.chunks(list(self._unread)):
            if self._now_s >= ends_s:
                return
            yield from self._read(chunk, ends_s, is_last=is_last)
            if self._trouble:
                return
        if is_new:
            self._quiet.took_s = self._now_s - began_s

    def _read(self, chunk: list[str], ends_s: float, *, is_last: bool) -> Plan[None]:
        within_s = min(self._terms.request_timeout_s, ends_s - self._now_s)
        is_retry = self._trouble is not None
        quiet_s = math.inf if is_last else self._quiet.within_s
        request = http.read_many(chunk)
        reply = yield Send(request=request, within_s=within_s, quiet_s=quiet_s, is_retry=is_retry, insist=is_last)
        self._note(reply.answer)
        self._floor_s = max(self._floor_s, reply.at_s + reply.answer.retry_after_s)
        if reply.answer.value is not None:
            self._unread = {job_id: None for job_id in self._unread if job_id not in set(chunk)}
        yield from self._take_look(reply)
        self._heard.clear()  # what was read was not heard
        if reply.answer.value is not None:
            found = {job.job_id for job in reply.answer.value}
            self._refuse_missing([job_id for job_id in chunk if job_id in self._open and job_id not in found])

    def _refuse_missing(self, missing: list[str]) -> None:
        if missing:
            raise self._named(JobNotFoundError(f"there is no such job: {_some(missing)}", job_id=missing[0]))

    def _must_read_all(self) -> None:
        self._heard.clear()
        self._unread = dict.fromkeys(self._open)

    def _is_news(self, job: Job) -> bool:
        known = self._known.get(job.job_id)
        return job.job_id in self._open and (known is None or job.seq > known.seq)

    def _forget_another_life(self, seen: Job) -> None:
        if seen.job_id in self._open and is_another_life(seen, self._known.get(seen.job_id)):
            del self._known[seen.job_id]

    def _know(self, job: Job) -> None:
        self._known[job.job_id] = job
        self._heard.add(job.job_id)
        if job.done:
            del self._open[job.job_id]
            self._unread.pop(job.job_id, None)

    def _named(self, error: DubqError) -> DubqError:
        error.job_id = error.job_id or next(iter(self._open), None)
        error.job = error.job or self._known.get(error.job_id or "")
        return error

    def _give_up(self) -> Plan[dict[str, Job]]:
        if self._terms.on_timeout == "return" and self._open.keys() <= self._known.keys():
            return self._in_order()
        unfinished = list(self._open)
        ending = "they go on, and can be waited for again"
        if self._terms.on_timeout == "cancel":
            ending = yield from self._cancel(unfinished)
        ended = all(job_id in self._known and self._known[job_id].done for job_id in unfinished)
        if ended and not any(self._known[job_id].state is State.CANCELLED for job_id in unfinished):
            return self._result()  # they ended before they could be cancelled
        text = (
            f"{len(unfinished)} of {len(self._terms.job_ids)} jobs are unfinished after {self._terms.timeout_s:g} s "
            f"({_some(unfinished)}); {ending}: client.wait_all"
        )
        error = ManyTimeoutError(text, jobs=self._in_order())
        error.job_id = unfinished[0]
        raise self._named(error) from self._trouble

    def _cancel(self, job_ids: list[str]) -> Plan[str]:
        """Ask these jobs to stop, one by one, until the service cannot be reached; return how that went, in words."""
        has_ended, within_s = False, min(self._terms.request_timeout_s, CANCEL_S)
        for asked, job_id in enumerate(job_ids):
            reply = yield Send(request=http.cancel(job_id), within_s=within_s, insist=True)
            error = reply.answer.error
            if isinstance(error, IllegalTransitionError):
                has_ended = True
            elif error:
                left = len(job_ids) - asked
                return f"{left} of them could not be cancelled ({error}); all can be waited for again"
            else:
                yield from self._take(reply)
        if has_ended and self._open:
            yield from self._look(self._now_s + within_s, is_last=True)
        return "they were asked to stop, which can be waited for"


def _some(job_ids: Sequence[str]) -> str:
    more = "…" if len(job_ids) > NAMED_IDS else ""
    return ", ".join(job_ids[:NAMED_IDS]) + more
