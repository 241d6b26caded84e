"""What a client's submits were told of their jobs, for the wait that is likely to follow: no I/O, no clock."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from contract.job import Job

from .http import Answer, Kind, Page, Request

MOST_TOLD: Final = 1000
"""The oldest are forgotten: their waits begin with a look."""
SUBMITS: Final = frozenset({Kind.SUBMIT, Kind.SUBMIT_MANY})


@dataclass(frozen=True, slots=True)
class Told:
    """A job as the service has told it, when, and for how long it wanted not to be asked: on the clock of its wait."""

    job: Job
    at_s: float
    retry_after_s: float = 0.0


class Memory:
    """The answers to a client's submits, until anything else is asked of their jobs; safe from any thread.

    What has ended is not kept: it may be reset at any time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: OrderedDict[str, Told] = OrderedDict()

    def hear(self, request: Request[Any], answer: Answer[Any], at_s: float) -> None:
        """Take note of what a request was answered: a submit is kept, anything else has overtaken it."""
        with self._lock:
            self._told.pop(request.job_id or "", None)
            for job in _jobs(answer.value):
                self._told.pop(job.job_id, None)
                if request.kind in SUBMITS and not job.done:
                    self._told[job.job_id] = Told(job, at_s, answer.retry_after_s)
            while len(self._told) > MOST_TOLD:
                self._told.popitem(last=False)

    def take(self, job_ids: Iterable[str]) -> tuple[Told, ...]:
        """Hand over what was told of these jobs, once: nothing unless all of them are known."""
        with self._lock:
            told = [self._told.pop(job_id, None) for job_id in job_ids]
        known = tuple(each for each in told if each)
        return known if len(known) == len(told) else ()


def _jobs(value: Any) -> list[Job]:
    found = value.jobs if isinstance(value, Page) else value if isinstance(value, tuple) else (value,)
    return [each for each in found if isinstance(each, Job)]
