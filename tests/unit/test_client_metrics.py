from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from client import metrics as module
from client.metrics import Metrics
from contract.job import Job
from contract.states import State

ENDED = datetime(2026, 1, 1, tzinfo=UTC)
DONE = Job(
    job_id="j1",
    client_id="default",
    state=State.COMPLETED,
    seq=3,
    video_url="https://example.com/a.mp4",
    created_at=ENDED,
    updated_at=ENDED,
    finished_at=ENDED,
)


def test_every_request_is_counted_whatever_came_of_it() -> None:
    metrics = Metrics()
    metrics.count_request("j1", is_retry=False, took_s=9.0, status=None)
    metrics.count_request("j1", is_retry=True, took_s=0.2, status=503)
    metrics.count_request(None, is_retry=True, took_s=0.4, status=200)
    metrics.count_message()
    assert (metrics.requests, metrics.retries, metrics.messages) == (3, 2, 1)
    assert metrics.mean_response_s == pytest.approx(0.3)
    assert metrics.success_rate == pytest.approx(1 / 3)
    assert metrics.jobs["j1"].requests == 2


def test_before_the_first_request_nothing_has_failed() -> None:
    assert (Metrics().mean_response_s, Metrics().success_rate) == (0.0, 1.0)


def test_the_first_to_know_counts_until_the_job_begins_again() -> None:
    metrics = Metrics()
    metrics.count_knowing(DONE, ENDED + timedelta(seconds=0.5))
    metrics.count_knowing(DONE, ENDED + timedelta(hours=1))
    assert metrics.jobs["j1"].knowing_delay_s == 0.5
    metrics.forget_knowing("j1")
    assert metrics.jobs["j1"].knowing_delay_s is None


def test_the_oldest_jobs_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_JOBS", 2)
    metrics = Metrics()
    for job_id in ("a", "b", "a", "c"):
        metrics.count_request(job_id, is_retry=False, took_s=0.0, status=200)
    assert dict(metrics.jobs).keys() == {"a", "c"}


def test_no_count_is_lost_among_threads() -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [metrics.count_request("j", is_retry=True, took_s=0.0, status=200) for _ in range(500)])
    assert (metrics.requests, metrics.retries, metrics.jobs["j"].requests) == (4000, 4000, 4000)
