"""What an operator sees of real processes: one id through all of their logs, and counts that are right to the unit.

Two API processes, and two stock workers of which one is killed in mid-job: the same service for all tests.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import requests
from alarms import names, queries
from prometheus_client.parser import text_string_to_metric_families
from receivers import OK, Receiver
from service import Service, eventually, kill_tree

from contract.addresses import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO = "https://example.com/talk.mp4"
FOLLOWED = "follow-me-4711"
ROUNDS = 20

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    opened.says(OK)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def service(receiver: Receiver) -> Iterator[Service]:
    """Run a job whose worker is killed, and ask each API process for something."""
    env = {"WEB_CONCURRENCY": "2", "DUBQ_LOG_LEVEL": "debug", "DUBQ_WEBHOOK_PRIVATE": LOOPBACK}
    with Service(env) as running:
        running.start_valkey()
        running.start_api()
        first = running.start_worker("-S", "json", "-c", "worker.rq_config")
        body = {
            "video_url": VIDEO,
            "job_id": "j1",
            "callback_url": f"http://127.0.0.1:{receiver.port}/",
            "simulate": {"duration_s": 1.5},
        }
        sent = {"X-Request-Id": FOLLOWED}
        assert requests.post(f"{running.url}/jobs", json=body, headers=sent, timeout=30).status_code == 202
        eventually(lambda: job(running)["stage"] == "transcribe", 20)
        kill_tree(first)
        running.start_worker("-S", "json", "-c", "worker.rq_config")
        for _ in range(ROUNDS):  # each on a connection of its own, so that both processes have some
            assert requests.get(f"{running.url}/jobs/j1/deliveries", timeout=30).status_code == 200
        eventually(lambda: receiver.heard, 30)
        eventually(lambda: metrics(running)["dubq_webhook_attempts_total", "delivered"] == 1, 10)
        yield running


def job(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{service.url}/jobs/j1", timeout=30).json()
    return found


def metrics(service: Service) -> dict[tuple[str, ...], float]:
    """Return all samples, by their name and the values of their labels in the order of the labels' names."""
    text = requests.get(f"{service.url}/metrics", timeout=30).text
    found = text_string_to_metric_families(text)
    return {(each.name, *each.labels.values()): each.value for family in found for each in family.samples}


def lines(service: Service, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log(name).splitlines()]


def test_one_id_goes_through_all_logs_to_the_webhook(service: Service, receiver: Receiver) -> None:
    events = {
        name: [line["event"] for line in lines(service, name) if line.get("request_id") == FOLLOWED]
        for name in ("api", "worker-0", "worker-1")
    }
    assert "request" in events["api"]
    assert events["worker-0"][0] == "run_started"
    assert {"run_started", "run_ended", "webhook_delivered"} <= set(events["worker-1"])
    swept = [line for name in events for line in lines(service, name) if line["event"] == "swept"]
    (found,) = (line for line in swept if line["kind"] in {"absent", "lost"})
    assert (found["level"], found["job_id"], found["request_id"]) == ("warning", "j1", FOLLOWED)
    attempts = {name: {line.get("attempt") for line in lines(service, name)} - {None} for name in events}
    assert attempts == {"api": set(), "worker-0": {1}, "worker-1": {2}}
    assert f"X-Request-Id: {FOLLOWED}".encode() in receiver.heard[0]


def test_every_line_of_every_process_is_json_and_names_its_level(service: Service) -> None:
    levels = {line["level"] for name in ("api", "worker-0", "worker-1") for line in lines(service, name)}
    assert levels <= {"debug", "info", "warning"}


def test_a_job_whose_worker_was_killed_is_counted_once(service: Service) -> None:
    found = metrics(service)
    expected = {
        ("dubq_jobs_submitted_total", "default"): 1,
        ("dubq_jobs_finished_total", "completed"): 1,
        ("dubq_attempts_total", "retry"): 1,
        ("dubq_attempts_total", "completed"): 1,
        ("dubq_attempt_failures_total", "worker_lost"): 1,
        ("dubq_stage_seconds_count", "transcribe"): 1,
        ("dubq_stage_seconds_count", "render"): 1,
        ("dubq_queue_wait_seconds_count", "default"): 1,
        ("dubq_webhook_attempts_total", "delivered"): 1,
        ("dubq_jobs", "final"): 1,
        ("dubq_jobs", "queued"): 0,
        ("dubq_api_processes",): 2,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["dubq_swept_total", "absent"] + found["dubq_swept_total", "lost"] == 1


def test_each_process_tells_of_the_requests_of_all(service: Service) -> None:
    asked = ("dubq_http_requests_total", "2xx", "GET", "/jobs/{job_id}/deliveries")
    eventually(lambda: metrics(service).get(asked) == ROUNDS, 10)
    assert {metrics(service)[asked] for _ in range(8)} == {ROUNDS}


def test_what_is_no_http_is_counted_as_well(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as line:
        line.sendall(b"BREW coffee\r\n\r\n")
        assert line.recv(20).startswith(b"HTTP/1.1 400 ")
    eventually(lambda: metrics(service).get(("dubq_http_requests_total", "4xx", "other", "other")) == 1, 10)


def test_whatever_the_alerts_and_the_dashboard_ask_for_is_told(service: Service) -> None:
    told = {name for name, *_ in metrics(service)} | {"up"}
    assert {name for _, query in queries() for name in names(query)} <= told


def test_the_service_says_of_itself_that_it_is_well(service: Service) -> None:
    found = requests.get(f"{service.url}/readyz", timeout=30).json()
    assert (found["status"], {check["state"] for check in found["checks"].values()}) == ("ok", {"ok"})
