"""Waiting for any number of jobs on one connection: which of them are left, and what status the command deserves."""

import time
from collections.abc import Callable, Iterable

from client import TranslationClient
from contract.errors import DubqError, JobNotFoundError, RateLimitedError, WaitTimeoutError
from contract.job import Job
from contract.states import State

from .exits import Exit, exit_of
from .words import standing

Tell = Callable[[Job | DubqError, Exit], None]
"""Is told of each job as it has ended, or why its end will not be known; and of the status that this deserves."""


class Waiting:
    """The jobs that a command waits for. `left` has those that have not ended, as they were last seen, if they were.

    `status` is what the command has to exit with: the highest that any of its jobs deserves.
    """

    def __init__(self, job_ids: Iterable[str], tell: Tell) -> None:
        self.left: dict[str, Job | None] = dict.fromkeys(job_ids)
        self.status = Exit.DONE
        self._tell = tell

    def note(self, job: Job) -> None:
        """Take note of a job as it is now."""
        if job.job_id not in self.left:
            return
        self.left[job.job_id] = job
        if job.done:
            del self.left[job.job_id]
            self._count(job, Exit.DONE if job.state is State.COMPLETED else Exit.FAILED)

    def lose(self, error: DubqError) -> None:
        """Wait no longer for the job that this error is about."""
        self.left.pop(error.job_id or "", None)
        self._count(error, exit_of(error))

    def time_out(self, timeout_s: float) -> list[WaitTimeoutError]:
        """Return what is to be told of those that are left, which stay so: they can be waited for again."""
        self.status = max(self.status, Exit.TIMED_OUT) if self.left else self.status
        return [
            WaitTimeoutError(
                f"{job_id} {f'is {standing(job)}' if job else 'has not been seen'} after {timeout_s:g} s and goes on",
                job_id=job_id,
                job=job,
            )
            for job_id, job in self.left.items()
        ]

    def _count(self, found: Job | DubqError, status: Exit) -> None:
        self.status = max(self.status, status)
        self._tell(found, status)


def look_first(client: TranslationClient, waiting: Waiting) -> None:
    """Read all jobs once, so that who cannot be reached is not waited for, nor is a job that there is not."""
    try:
        found = client.get_statuses(waiting.left)
    except RateLimitedError:
        return  # the wait itself has the patience for that
    for job_id in list(waiting.left):
        if job_id in found:
            waiting.note(found[job_id])
        else:
            waiting.lose(JobNotFoundError(f"there is no such job: {job_id}", job_id=job_id))


def wait_for_all(
    client: TranslationClient,
    waiting: Waiting,
    timeout_s: float,
    show: Callable[[Job], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until none is left, or the time is over: `left` has the rest then. `show` is told of every change.

    A job that is forgotten meanwhile keeps nobody from waiting for the others.
    """

    def update(job: Job) -> None:
        show(job)
        waiting.note(job)

    ends_s = clock() + timeout_s
    while waiting.left:
        try:
            client.wait_all(list(waiting.left), on_update=update, timeout=max(0.0, ends_s - clock()))
        except JobNotFoundError as error:
            if error.job_id not in waiting.left:
                raise
            waiting.lose(error)
        except WaitTimeoutError:
            return
