"""Waits of one client that look at the same moment: who goes alone, who goes together, and what each is answered. Pure.

While few looks are under way each goes as it is. Those that come on top of that wait, and all who wait go together, in
one bulk read, as soon as one is back: the more there are the more share a request, and nobody waits for company.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, Generic, Protocol, TypeVar

from contract.errors import DubqError, JobNotFoundError, ServiceUnavailableError
from contract.job import Job

from . import http
from .http import Answer, Kind
from .steps import Send

MOST_LOOKS: Final = 8
"""How many looks are under way at once: enough to keep an API process busy, few enough for it to answer soon."""

MOST_HELD: Final = 32
"""How many answers the service holds for one client: each takes a connection, for up to a minute."""


class Look(Protocol):
    """A look that waits for its turn."""

    @property
    def step(self) -> Send[Any]:
        """What it would be, alone."""


L = TypeVar("L", bound=Look)


class Turns(Generic[L]):
    """Whose turn it is."""

    def __init__(self) -> None:
        self._under_way = 0
        self._waiting: dict[L, None] = {}

    def begin(self) -> bool:
        """Whether a look may go at once; `end` has to be called when it is back."""
        may_go = self._under_way < MOST_LOOKS
        self._under_way += may_go
        return may_go

    def wait(self, look: L) -> None:
        """Let a look wait for its turn."""
        self._waiting[look] = None

    def leave(self, look: L) -> None:
        """Let a look wait no longer, if it does."""
        self._waiting.pop(look, None)

    def clear(self) -> list[L]:
        """Let nobody wait any more; return who did."""
        waiting, self._waiting = list(self._waiting), {}
        return waiting

    def end(self) -> list[L]:
        """Take note that a request is back; return those that go together now, whose own `end` follows, or none."""
        if not self._waiting:
            self._under_way -= 1
            return []
        job_ids = dict.fromkeys(str(look.step.request.job_id) for look in islice(self._waiting, http.MOST_IDS))
        going = set(next(http.chunks(job_ids)))
        found = [look for look in self._waiting if look.step.request.job_id in going]
        for look in found:
            del self._waiting[look]
        return found


def can_share(request: http.Request[Any]) -> bool:
    """Whether a bulk read answers this as well."""
    return request.kind is Kind.READ and request.job_id is not None


def together(steps: Sequence[Send[Any]]) -> Send[Any]:
    """Make one request of several looks; of a single one, what it is."""
    if len(steps) == 1:
        return steps[0]
    return Send(
        request=http.read_many(dict.fromkeys(str(step.request.job_id) for step in steps)),
        within_s=max(step.within_s for step in steps),
        quiet_s=max(step.quiet_s for step in steps),
        is_retry=any(step.is_retry for step in steps),
        insist=any(step.insist for step in steps),
    )


def parts(answer: Answer[Any], steps: Sequence[Send[Any]]) -> list[Answer[Job]]:
    """Return what the answer to `together` means to each of these looks."""
    if len(steps) == 1:
        return [answer]
    if answer.value is None:
        # each wait adds what it knows to an error, so each has one of its own
        return [replace(answer, error=answer.error and _twin(answer.error)) for _ in steps]
    found = {job.job_id: job for job in answer.value}
    return [_part(answer, str(step.request.job_id), found) for step in steps]


def late(step: Send[Any]) -> Answer[Any]:
    """Say that a look's time was over before it was answered."""
    text = f"no answer within {step.within_s:g} s"
    return Answer(error=ServiceUnavailableError(text, job_id=step.request.job_id), is_passing=True)


def no_room() -> Answer[Any]:
    """Say that no more answers are to be held: whoever asks plainly is answered."""
    return Answer(is_passing=True)


def _part(answer: Answer[Any], job_id: str, found: dict[str, Job]) -> Answer[Job]:
    job = found.get(job_id)
    if job is None:
        return Answer(error=JobNotFoundError(f"there is no job {job_id!r}", job_id=job_id))
    return Answer(value=job, retry_after_s=answer.retry_after_s)


def _twin(error: DubqError) -> DubqError:
    twin = type(error).__new__(type(error), *error.args)
    vars(twin).update(vars(error))
    return twin
