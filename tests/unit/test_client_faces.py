"""Both faces do the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from faces import Blocking
from replying import BEGAN, Service, refused, wire

from client import ClientClosedError
from contract.errors import (
    JobNotFoundError,
    ResumeTokenError,
    ServiceUnavailableError,
)
from contract.job import Eta, Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from faces import Face


pytestmark = pytest.mark.usefixtures("over_both_faces")


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


@pytest.mark.usefixtures("face")
@pytest.mark.parametrize("face", [Blocking], indirect=True)  # it would end a loop, whose tasks have tests of their own
def test_a_keyboard_interrupt_leaves_a_wait_at_once() -> None:
    service = Service((200, wire(State.RUNNING, 1)))
    client = service.client()

    def interrupt(_: Job) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.poll_status("j1", on_update=interrupt)
    assert len(service.seen) == 1


# A resume token in the place of an id.

ONE: dict[str, Callable[[Any, str], object]] = {
    "get_status": lambda client, job_id: client.get_status(job_id),
    "cancel": lambda client, job_id: client.cancel(job_id),
    "reset": lambda client, job_id: client.reset(job_id),
    "wait": lambda client, job_id: client.wait(job_id),
    "poll_status": lambda client, job_id: client.poll_status(job_id),
    "events": lambda client, job_id: list(client.events(job_id)),
    "get_statuses": lambda client, job_id: client.get_statuses([job_id]),
    "wait_all": lambda client, job_id: client.wait_all([job_id]),
    "as_completed": lambda client, job_id: list(client.as_completed([job_id])),
}


@pytest.mark.parametrize("name", ONE)
def test_a_token_does_whatever_its_id_does(name: str) -> None:
    job = wire(State.COMPLETED, 3)
    asked, outcomes = [], []
    for named in ("j1", Job.from_wire(job).resume_token):
        # one answer for whatever is asked: a job, a list of jobs, no way to Redis
        service = Service((200, job | {"jobs": [job], "redis": None}))
        client = service.client()
        outcomes.append((ONE[name](client, named), client.metrics.jobs))
        asked.append(service.urls())
    assert asked[0] == asked[1]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("name", ONE)
def test_a_token_of_another_version_is_refused_before_anything_is_sent(name: str) -> None:
    service = Service((200, {}))
    with pytest.raises(ResumeTokenError, match="of version 2"):
        ONE[name](service.client(), "dubq2.j1")
    assert service.seen == []


def test_many_are_named_by_their_ids_whichever_way_they_were_asked_for() -> None:
    job = wire(State.COMPLETED, 3)
    service = Service((200, {"client_id": "acme", "redis": None}), (200, job))
    assert list(service.client().wait_all(["j1", "dubq1.j1"])) == ["j1"]


def test_a_silence_far_longer_than_promised_is_told_once_and_ends_nothing(face: Face) -> None:
    promised = wire(State.RUNNING, 2, eta=Eta(p10_s=1.0, p50_s=2.0, p90_s=3.0))
    service = Service(*[(200, promised)] * 12, (200, wire(State.COMPLETED, 3)))
    stalled: list[Job] = []
    with service.client() as client:
        assert client.poll_status("j1", on_stall=stalled.append).done
    assert [job.seq for job in stalled] == [2]
    assert service.now_s > 9.0
    assert face.at_work() == []


def test_of_many_jobs_each_that_is_silent_for_so_long_is_told() -> None:
    silent = wire(State.RUNNING, 2, eta=Eta(p10_s=1.0, p50_s=2.0, p90_s=3.0))
    both = [{"jobs": [silent, silent | {"job_id": "j2"}]}] * 12
    ended = wire(State.COMPLETED, 3)
    asked = (
        lambda client, hear: client.wait_all(["j1", "j2"], on_stall=hear),
        lambda client, hear: list(client.as_completed(["j1", "j2"], on_stall=hear)),
    )
    for wait in asked:
        answers = [(200, each) for each in (*both, {"jobs": [ended, ended | {"job_id": "j2"}]})]
        service = Service((200, {"client_id": "acme", "redis": None}), *answers)
        stalled: list[Job] = []
        with service.client() as client:
            wait(client, stalled.append)
        assert [job.job_id for job in stalled] == ["j1", "j2"]
