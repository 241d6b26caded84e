from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter

import client as package
from client import ClientClosedError, NoPushError, TranslationClient
from contract.errors import JobNotFoundError, ServiceUnavailableError
from contract.job import Job
from contract.states import State

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
Reply = tuple[int, Any] | Exception


def wire(state: State, seq: int, job_id: str = "j1", **fields: Any) -> dict[str, Any]:
    job = Job(
        job_id=job_id,
        client_id="acme",
        state=state,
        seq=seq,
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=BEGAN,
        **fields,
    )
    return job.to_wire()


class Service(BaseAdapter):
    """A service in memory that gives these replies in turn, the last one for ever, and a clock that sleeping moves."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies = list(replies)
        self.seen: list[tuple[float, requests.PreparedRequest]] = []
        self.now_s = 0.0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.seen.append((self.now_s, request))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        response = requests.Response()
        response.status_code, document = reply
        response.raw = io.BytesIO(json.dumps(document).encode())
        response.url = str(request.url)
        return response

    def close(self) -> None:
        pass

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def client(self, **options: Any) -> TranslationClient:
        session = requests.Session()
        session.mount("http://", self)
        return TranslationClient(
            options.pop("url", "http://dubq.test"),
            session=session,
            clock=lambda: self.now_s,
            sleep=self.sleep,
            chance=lambda: 0.999_999,
            now=lambda: BEGAN + timedelta(seconds=self.now_s),
            **options,
        )

    def urls(self) -> list[str]:
        return [str(request.url) for _, request in self.seen]

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body or "{}") for _, request in self.seen]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DUBQ_URL", "DUBQ_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def refused() -> Exception:
    return requests.ConnectionError("refused")


def test_a_submission_whose_answer_was_lost_is_sent_again_under_the_same_id() -> None:
    service = Service(refused(), (503, {}), requests.ReadTimeout("slow"), (202, wire(State.QUEUED, 1)))
    job = service.client().submit("https://example.com/a.mp4", target_language="es", priority="high")
    assert job.state is State.QUEUED
    bodies = service.bodies()
    assert len(bodies) == 4
    assert bodies == [bodies[0]] * 4
    assert bodies[0]["job_id"][14] == "7"  # a UUID of version 7
    assert bodies[0].keys() == {"job_id", "video_url", "target_language", "priority"}


def test_a_submission_that_gets_no_answer_in_time_names_the_id_to_try_again_with() -> None:
    service = Service(refused())
    with pytest.raises(
        ServiceUnavailableError, match=r"http://dubq\.test cannot be reached just now: refused"
    ) as raised:
        service.client().submit("https://example.com/a.mp4", job_id="mine", timeout=5)
    assert raised.value.job_id == "mine"
    assert service.now_s == 5


def test_what_json_cannot_say_is_refused_before_it_is_sent() -> None:
    service = Service((202, wire(State.QUEUED, 1)))
    with pytest.raises(requests.exceptions.InvalidJSONError):
        service.client().submit("https://example.com/a.mp4", video_duration_s=float("nan"))
    assert service.seen == []


def test_polling_counts_its_requests_its_retries_and_the_delay_of_knowing() -> None:
    end = BEGAN + timedelta(seconds=6.5)
    service = Service(
        (200, wire(State.QUEUED, 1)), (502, {}), refused(), (200, wire(State.COMPLETED, 3, finished_at=end))
    )
    client = service.client()
    assert client.poll_status("j1").state is State.COMPLETED
    assert (client.metrics.requests, client.metrics.retries) == (4, 2)
    assert client.metrics.success_rate == 0.5
    assert client.metrics.jobs["j1"].requests == 4
    assert client.metrics.jobs["j1"].knowing_delay_s == pytest.approx(0.5, abs=0.01)


def test_updates_are_told_in_order_and_once() -> None:
    told: list[State] = []
    service = Service(
        (200, wire(State.QUEUED, 1)), (304, None), (200, wire(State.RUNNING, 2)), (200, wire(State.COMPLETED, 3))
    )
    service.client().poll_status("j1", on_update=lambda job: told.append(job.state))
    assert told == [State.QUEUED, State.RUNNING, State.COMPLETED]


def test_the_single_job_is_asked_for_as_a_whole_document() -> None:
    service = Service((200, wire(State.RUNNING, 1)), (200, wire(State.COMPLETED, 2)))
    client = service.client()
    assert client.get_status().state is State.RUNNING
    assert client.poll_status().state is State.COMPLETED
    assert service.urls() == ["http://dubq.test/status"] * 2
    assert {request.headers["Prefer"] for _, request in service.seen} == {"return=representation"}


def test_wait_polls_where_the_service_has_no_redis_and_subscribe_says_what_to_do() -> None:
    service = Service((200, {"client_id": "acme", "redis": None}), (200, wire(State.COMPLETED, 2)))
    client = service.client()
    assert client.wait("j1").done
    with pytest.raises(NoPushError, match=r"use client\.wait or client\.poll_status"):
        client.subscribe("j1")
    assert [urlsplit(url).path for url in service.urls()] == ["/connect", "/jobs/j1"]


def test_wait_polls_where_the_package_redis_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.driver.has_redis", lambda: False)
    client = Service((200, wire(State.COMPLETED, 2))).client()
    assert client.wait("j1").done
    with pytest.raises(NoPushError, match="pip install redis"):
        client.subscribe("j1")


def test_events_are_the_jobs_changes_up_to_its_end_however_it_ends() -> None:
    service = Service(
        (200, {"client_id": "acme", "redis": None}), (200, wire(State.RUNNING, 2)), (200, wire(State.ERROR, 4))
    )
    assert [job.seq for job in service.client().events("j1")] == [2, 4]


def test_many_statuses_come_in_chunks_and_by_id() -> None:
    ids = [f"job-{number:036d}" for number in range(120)]
    first = {"jobs": [wire(State.RUNNING, 1, job_id) for job_id in ids[:90]], "missing": []}
    second = {"jobs": [wire(State.RUNNING, 1, job_id) for job_id in ids[95:]], "missing": ids[90:95]}
    service = Service((200, first), (200, second))
    found = service.client().get_statuses(ids)
    assert set(found) == {*ids[:90], *ids[95:]}
    asked = [parse_qs(urlsplit(url).query)["ids"][0].split(",") for url in service.urls()]
    assert [each for chunk in asked for each in chunk] == ids


def test_jobs_reads_all_pages() -> None:
    pages = [
        {"jobs": [wire(State.RUNNING, 1, "a"), wire(State.RUNNING, 1, "b")], "next_cursor": "c/1=="},
        {"jobs": [wire(State.RUNNING, 1, "c")], "next_cursor": None},
    ]
    service = Service(*[(200, page) for page in pages])
    assert [job.job_id for job in service.client().jobs(state="running", target_language="es")] == ["a", "b", "c"]
    queries = [parse_qs(urlsplit(url).query) for url in service.urls()]
    assert queries[1] == {"state": ["running"], "target_language": ["es"], "cursor": ["c/1=="]}
    assert "cursor" not in queries[0]


def test_cancel_and_reset_are_sent_once() -> None:
    service = Service((200, wire(State.CANCELLED, 2)), (202, wire(State.QUEUED, 3)), (503, {}))
    client = service.client()
    assert client.cancel("j1").state is State.CANCELLED
    assert client.reset("j1").state is State.QUEUED
    with pytest.raises(ServiceUnavailableError):
        client.reset("j1")
    assert [urlsplit(url).path for url in service.urls()] == ["/jobs/j1/cancel", "/jobs/j1/reset", "/jobs/j1/reset"]


def test_an_id_that_cannot_be_one_is_never_sent() -> None:
    service = Service((200, {}))
    for call in (service.client().get_status, service.client().cancel, service.client().wait):
        with pytest.raises(JobNotFoundError):
            call("../clients")
    assert service.seen == []


def test_url_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBQ_URL", "http://elsewhere.test/base/")
    monkeypatch.setenv("DUBQ_TOKEN", "secret")
    service = Service((200, wire(State.RUNNING, 1)))
    service.client(url=None).get_status("j1")
    request = service.seen[0][1]
    assert request.url == "http://elsewhere.test/base/jobs/j1"
    assert request.headers["Authorization"] == "Bearer secret"


def test_a_closed_client_says_so() -> None:
    with Service((200, wire(State.RUNNING, 1))).client() as client:
        pass
    for call in (client.get_status, client.poll_status, client.wait):
        with pytest.raises(ClientClosedError):
            call("j1")


def test_a_keyboard_interrupt_leaves_a_wait_at_once() -> None:
    service = Service((200, wire(State.RUNNING, 1)))
    client = service.client()

    def interrupt(_: Job) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.poll_status("j1", on_update=interrupt)
    assert len(service.seen) == 1


def test_the_client_is_imported_without_redis_and_without_the_service() -> None:
    program = "import client, sys; print({'redis', 'flask', 'rq', 'pydantic', 'store', 'api'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_everything_in_the_package_s_list_is_there() -> None:
    assert all(hasattr(package, name) for name in package.__all__)
