"""Facts and stand-ins that tests begin with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from contract.job import Job, Output
from contract.states import State
from store import keys
from store.jobs import JobStore
from store.runs import Run, RunStore

START = datetime(2026, 1, 1, tzinfo=UTC)
OUTPUT = Output(video_url="v", captions_url="c")


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def a_job(job_id: str = "j1", *, at: datetime = START, **fields: Any) -> Job:
    """Make the first document of a job."""
    known: dict[str, Any] = {"client_id": "default", "video_url": "https://example.com/v.mp4"} | fields
    return Job(job_id=job_id, state=State.QUEUED, seq=1, created_at=at, updated_at=at, **known)


def made(jobs: JobStore, job_id: str = "j1", **fields: object) -> Job:
    """Make a job that waits to be run."""
    return jobs.create(a_job(job_id, **fields), fingerprint="f").job


def begun(jobs: JobStore, runs: RunStore, job_id: str = "j1", **fields: object) -> Run:
    """Make a job, and start its first run."""
    run = runs.start(keys.ref_of(made(jobs, job_id, **fields)))
    assert run is not None
    return run
