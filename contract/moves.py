"""The moves of a job: each takes the job as it is known and the time, and returns the job as it will be.

Nothing else makes a new `Job` of an old one, so `seq` has no gaps and no illegal move can be written.
Every function raises IllegalTransitionError if the job's state does not allow the move.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from .errors import IllegalTransitionError
from .job import Failure, Job, Output
from .states import NEXT, State


def start(job: Job, at: datetime) -> Job:
    """A worker takes the job."""
    if job.state is not State.QUEUED:
        raise IllegalTransitionError(job, State.RUNNING)
    return _move(job, State.RUNNING, at, started_at=at)


def advance(job: Job, at: datetime, *, stage: str | None, progress: float) -> Job:
    """A running job reports `stage` and `progress` (0.0 to 1.0), which never falls within an attempt."""
    if job.state is not State.RUNNING:
        raise IllegalTransitionError(job, State.RUNNING)
    # rounded: a tenth of a percent is all that a reader can see
    reached = max(job.progress, round(min(1.0, progress), 3))
    return _move(job, State.RUNNING, at, stage=stage, progress=reached)


def complete(job: Job, at: datetime, output: Output) -> Job:
    """The engine has delivered."""
    return _move(job, State.COMPLETED, at, stage=None, progress=1.0, output=output)


def fail(job: Job, at: datetime, failure: Failure) -> Job:
    """End the job in `error`, for good."""
    return _move(job, State.ERROR, at, error=failure)


def cancel(job: Job, at: datetime) -> Job:
    """End the job because its owner asked for it."""
    return _move(job, State.CANCELLED, at)


def retry(job: Job, at: datetime) -> Job:
    """Put a running job back for its next attempt."""
    return _move(job, State.QUEUED, at, attempt=job.attempt + 1, **_FRESH)


def hand_back(job: Job, at: datetime) -> Job:
    """Put a running job back because its worker has to go: the attempt is not used up.

    It begins again, yet its progress stays where it is until it is passed: within an attempt it never falls.
    """
    if job.state is not State.RUNNING:
        raise IllegalTransitionError(job, State.QUEUED)
    return _move(job, State.QUEUED, at, **{**_FRESH, "progress": job.progress})


def fail_attempt(job: Job, at: datetime, failure: Failure) -> Job:
    """End a running attempt: try again if the failure is a passing one and attempts are left, else `error`."""
    if failure.retryable and job.attempt < job.max_attempts:
        return retry(job, at)
    return fail(job, at, failure)


def reset(job: Job, at: datetime) -> Job:
    """Start a finished job again from the beginning: the one move out of a final state."""
    if not job.done:
        raise IllegalTransitionError(job, State.QUEUED)
    return replace(
        job,
        state=State.QUEUED,
        seq=job.seq + 1,
        updated_at=at,
        finished_at=None,
        attempt=1,
        error=None,
        **_FRESH,
    )


_FRESH: dict[str, Any] = {"stage": None, "progress": 0.0, "started_at": None, "output": None}


def _move(job: Job, new: State, at: datetime, **changes: Any) -> Job:
    if not isinstance(job.state, State) or new not in NEXT[job.state]:
        raise IllegalTransitionError(job, new)
    if new.is_final:
        changes["finished_at"] = at
    return replace(job, state=new, seq=job.seq + 1, updated_at=at, position=None, eta=None, **changes)
