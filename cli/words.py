"""A job in words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from contract.job import Job, to_rfc3339
from contract.states import State

COLOURS: Final[Mapping[str, str]] = {
    State.QUEUED: "white",
    State.RUNNING: "cyan",
    State.COMPLETED: "green",
    State.ERROR: "red",
    State.CANCELLED: "yellow",
}


def counted(number: int, thing: str, things: str = "") -> str:
    """Return so many things."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def counts(states: Sequence[str]) -> str:
    """Say how many jobs are in which state."""
    shares = (f"{states.count(state)} {state}" for state in dict.fromkeys((*State, *states)) if state in states)
    return f"{counted(len(states), 'job')}: {', '.join(shares)}"


def name_of(job: Job) -> str:
    """Return what a person calls the job by."""
    return job.title or job.job_id


def standing(job: Job) -> str:
    """Say in a few words where a job stands."""
    again = f", attempt {job.attempt} of {job.max_attempts}" if job.attempt > 1 else ""
    if job.state is State.QUEUED:
        ahead = "" if job.position is None else f", {job.position} ahead" if job.position else ", next"
        return f"queued{ahead}{again}"
    if job.state is State.RUNNING:
        return f"{job.stage or 'running'} {job.progress:.0%}{again}"
    if job.state is State.ERROR and job.error:
        return f"error: {job.error.code}{again}"
    return f"{job.state}{again}"


def outcome(job: Job) -> str:
    """Say in one line how a finished job ended, and where its result is."""
    if job.state is State.COMPLETED and job.output:
        return f"{job.job_id} completed: {job.output.video_url}"
    if job.state is State.ERROR and job.error:
        return f"{job.job_id} failed: {job.error.code}, {job.error.message}"
    return f"{job.job_id} {job.state}"


def description(job: Job) -> str:
    """Return all that a person would want to know of a job."""
    languages = f"{job.source_language or 'auto'} → {job.target_language or '?'}"
    output, error = job.output, job.error
    facts: list[tuple[str, str | None]] = [
        ("state", standing(job)),
        ("title", job.title),
        ("video", job.video_url),
        ("languages", languages),
        ("created", _moment(job.created_at)),
        ("started", _moment(job.started_at)),
        ("finished", _moment(job.finished_at)),
        ("error", error.message if error else None),
        ("output", output.video_url if output else None),
        ("captions", output.captions_url if output else None),
    ]
    return "\n".join([job.job_id, *(f"  {name:<10}{value}" for name, value in facts if value)])


def table(jobs: Iterable[Job]) -> str:
    """Return one line per job under a heading; the same on a terminal and in a file."""
    rows = [("JOB", "STATE", "TO", "CREATED", "TITLE")]
    rows += [
        (job.job_id, standing(job), job.target_language or "", to_rfc3339(job.created_at), job.title or "")
        for job in jobs
    ]
    return columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of equally many cells as lines whose cells stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (map(str.ljust, row, widths) for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _moment(at: datetime | None) -> str | None:
    return to_rfc3339(at) if at else None
