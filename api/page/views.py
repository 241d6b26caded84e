"""Jobs as the page words them, before any module has run: the same words as `static/words.js`. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from contract.job import Job, to_rfc3339
from contract.states import State

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400


def span(seconds: float) -> str:
    """Return how long something takes, in two units at most: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `4 d 2 h`."""
    if seconds < 9.95:  # noqa: PLR2004 - where one decimal stops to tell something
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S:02} s"
    if whole < DAY_S:
        return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S:02} min"
    return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    job_id: str
    client_id: str
    state: str
    title: str
    languages: str
    stage: str
    progress: float
    attempt: str
    position: str
    expected: str
    age: str

    @classmethod
    def of(cls, job: Job, now: datetime) -> Self:
        """Word a job as it is `now`."""
        return cls(
            job_id=job.job_id,
            client_id=job.client_id,
            state=str(job.state),
            title=job.title or "",
            languages=languages(job),
            stage=job.stage or "" if job.state is State.RUNNING else "",
            progress=job.progress,
            attempt=f"{job.attempt}/{job.max_attempts}",
            position="" if job.position is None else str(job.position),
            expected=f"in {span(job.eta.p50_s)}" if job.eta else "",
            age=span((now - job.created_at).total_seconds()),
        )


def languages(job: Job) -> str:
    """Return from which language to which."""
    named = [each for each in (job.source_language, job.target_language) if each]
    return " → ".join(named) if job.target_language else ""


def facts(job: Job) -> dict[str, str]:
    """Return what there is to say of one job, by what it is."""
    said = {
        "Job": job.job_id,
        "Client": job.client_id,
        "Video": job.video_url,
        "Languages": languages(job),
        "Video's length": "" if job.video_duration_s is None else span(job.video_duration_s),
        "Priority": str(job.priority),
        "Engine": job.engine or "",
        "Webhook to": job.callback_url or "",
        "Submitted": to_rfc3339(job.created_at),
        "Started": to_rfc3339(job.started_at) if job.started_at else "",
        "Finished": to_rfc3339(job.finished_at) if job.finished_at else "",
    }
    return {name: value for name, value in said.items() if value}


def raw(job: Job) -> str:
    """Return the document, to be read by people."""
    return json.dumps(job.to_wire(), indent=2, ensure_ascii=False)
