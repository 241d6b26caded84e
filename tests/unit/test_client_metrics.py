from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from client import Summary
from client import metrics as module
from client.http import Kind
from client.metrics import Metrics
from client.summary import JobMetrics
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
    metrics.count_request(Kind.READ, "j1", is_retry=False, took_s=9.0, status=None)
    metrics.count_request(Kind.READ, "j1", is_retry=True, took_s=0.2, status=503)
    metrics.count_request(Kind.LIST, None, is_retry=True, took_s=0.4, status=200)
    metrics.count_message()
    assert (metrics.requests, metrics.retries, metrics.messages) == (3, 2, 1)
    assert metrics.mean_response_s == pytest.approx(0.3)
    assert metrics.success_rate == pytest.approx(1 / 3)
    assert metrics.jobs["j1"].requests == 2
    assert metrics.requests_by_kind == {"read": 2, "list": 1}


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
        metrics.count_request(Kind.READ, job_id, is_retry=False, took_s=0.0, status=200)
    assert dict(metrics.jobs).keys() == {"a", "c"}


def test_no_count_is_lost_among_threads() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(500):
            metrics.count_request(Kind.READ, "j", is_retry=True, took_s=0.0, status=200)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(count)
    assert (metrics.requests, metrics.retries, metrics.jobs["j"].requests) == (4000, 4000, 4000)


@pytest.mark.parametrize("kind", [Kind.LONG_POLL, Kind.EVENTS])
def test_an_answer_that_was_held_until_there_was_news_is_no_slow_answer(kind: Kind) -> None:
    metrics = Metrics()
    metrics.count_request(Kind.READ, "j1", is_retry=False, took_s=0.25, status=200)
    metrics.count_request(kind, "j1", is_retry=False, took_s=30.0, status=200)
    summary = metrics.summary()
    assert metrics.mean_response_s == metrics.p95_response_s == summary.mean_response_s == 0.25
    assert (summary.held, summary.mean_held_s) == (1, 30.0)
    assert (summary.requests, summary.success_rate) == (2, 1.0)


def test_the_slowest_twentieth_of_the_answers_is_beyond_the_p95() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.count_request(Kind.READ, None, is_retry=False, took_s=1.0 if number < 6 else 0.01, status=200)
    assert metrics.p95_response_s == pytest.approx(1.0, rel=0.03)
    for _ in range(20):
        metrics.count_request(Kind.READ, None, is_retry=False, took_s=0.01, status=200)
    assert metrics.p95_response_s == pytest.approx(0.01, rel=0.03)


def worked() -> Summary:
    metrics = Metrics()
    metrics.count_request(Kind.SUBMIT, "talk-es", is_retry=False, took_s=0.004, status=202)
    metrics.count_request(Kind.READ, "talk-es", is_retry=False, took_s=0.001, status=503)
    metrics.count_request(Kind.READ, "j1", is_retry=True, took_s=0.001, status=200)
    metrics.count_request(Kind.LONG_POLL, "j1", is_retry=False, took_s=12.0, status=200)
    metrics.count_message()
    metrics.count_knowing(DONE, ENDED + timedelta(seconds=0.5))
    return metrics.summary()


def test_a_summary_reads_well() -> None:
    assert str(worked()).splitlines() == [
        "requests   4 (submit 1, read 2, long_poll 1)",
        "retries    1",
        "success    75.0%",
        "answered   in 2.0 ms (mean), 3.9 ms (p95)",
        "held       1, for 12.00 s (mean)",
        "messages   1",
        "known      1, 500.0 ms (mean), 500.0 ms (p95) after the end",
        "jobs       2",
        "  j1       requests 2, end known after 500.0 ms",
        "  talk-es  requests 2, end not known",
    ]


def test_a_summary_is_json_without_loss() -> None:
    summary = worked()
    found = json.loads(json.dumps(summary.to_dict()))
    jobs = {job_id: JobMetrics(**share) for job_id, share in found.pop("jobs").items()}
    assert Summary(**found, jobs=jobs) == summary


def test_a_summary_does_not_change_any_more() -> None:
    metrics = Metrics()
    before = metrics.summary()
    metrics.count_request(Kind.SUBMIT, "j1", is_retry=False, took_s=0.004, status=202)
    assert (before.requests, before.requests_by_kind, before.jobs) == (0, {}, {})


def test_a_summary_of_many_jobs_stays_short() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.count_request(Kind.READ, f"j{number}", is_retry=False, took_s=0.001, status=200)
    lines = str(metrics.summary()).splitlines()
    assert len(lines) < 15
    assert lines[-1].split() == ["…", "995", "more"]
    assert lines[-2].split()[0] == "j995"
