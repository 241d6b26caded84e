"""What a job that was seen says: how it ended, where it stands, whether it is still the same one. Pure."""

from contract.errors import JobCancelledError, JobFailedError, UnknownStateError
from contract.job import Job
from contract.states import State


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
