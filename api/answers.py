"""Answers and examples that several calls have in common: the job document above all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contract import delivery
from contract.job import Eta, Job, Output
from contract.states import State

from .documents import JobDocument
from .operations import Answer

SUBMISSION: Final[dict[str, Any]] = {"video_url": "https://example.com/talk.mp4", "target_language": "es"}
ALL_OF_IT: Final[dict[str, Any]] = {
    "job_id": "talk-es",
    "video_url": "https://example.com/talk.mp4",
    "title": "Keynote",
    "source_language": "en",
    "target_language": "es",
    "video_duration_s": 1800,
    "priority": "high",
    "metadata": {"order": 4711, "draft": False},
    "callback_url": "https://example.com/hook",
    "max_attempts": 5,
    "simulate": {"duration_s": 3, "outcome": "completed"},
}

_BEGAN: Final = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
_QUEUED: Final = Job(
    job_id="talk-es",
    client_id="acme",
    state=State.QUEUED,
    seq=1,
    video_url="https://example.com/talk.mp4",
    title="Keynote",
    target_language="es",
    created_at=_BEGAN,
    updated_at=_BEGAN,
    position=2,
    eta=Eta(p10_s=6.0, p50_s=10.5, p90_s=15.2),
)
_RUNNING: Final = replace(
    _QUEUED,
    state=State.RUNNING,
    seq=5,
    stage="translate",
    progress=0.42,
    started_at=_BEGAN + timedelta(seconds=1),
    updated_at=_BEGAN + timedelta(seconds=5.2),
    position=None,
    eta=Eta(p10_s=2.8, p50_s=5.8, p90_s=9.1),
)
_COMPLETED: Final = replace(
    _RUNNING,
    state=State.COMPLETED,
    seq=12,
    stage=None,
    progress=1.0,
    finished_at=_BEGAN + timedelta(seconds=10.9),
    updated_at=_BEGAN + timedelta(seconds=10.9),
    eta=None,
    output=Output(video_url="https://example.com/talk.es.mp4", captions_url="https://example.com/talk.es.vtt"),
)
QUEUED: Final = _QUEUED.to_wire()
RUNNING: Final = _RUNNING.to_wire()
COMPLETED: Final = _COMPLETED.to_wire()
CANCELLED: Final = replace(_QUEUED, state=State.CANCELLED, seq=2, finished_at=_BEGAN, position=None, eta=None).to_wire()
_DELIVERY: Final = delivery.first(_COMPLETED, "https://example.com/hook", "msg_2kd0s8f4")
DELIVERY: Final = delivery.settle(
    delivery.begin(_DELIVERY, _BEGAN), delivery.answered(503), _BEGAN + timedelta(seconds=0.2), chance=0
).to_wire()

OF_A_JOB: Final = ("read", "job_events", "deliveries", "cancel", "reset")
"""The calls that an answer which is a job leads to."""
_ABOUT: Final = ("ETag", "Content-Location")
ACCEPTED: Final = Answer(
    202,
    "The job as it begins.",
    JobDocument,
    headers=(*_ABOUT, "Location"),
    at_times=("Retry-After", "Preference-Applied"),
    examples={"queued": QUEUED},
    links=OF_A_JOB,
)


def the_job(says: str, **examples: Any) -> Answer:
    """Return the answer that is one job, with examples by their names."""
    at_times = ("Retry-After", "Preference-Applied")
    return Answer(200, says, JobDocument, headers=_ABOUT, at_times=at_times, examples=examples, links=OF_A_JOB)
