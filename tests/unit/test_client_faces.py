from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import requests
from faces import Blocking
from multidict import CIMultiDict
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from client import ClientClosedError, NoPushError, NotAllSubmittedError, UnknownStateError
from client.http import Answer, Roads
from client.ladder import Road
from contract.errors import (
    AuthenticationError,
    JobNotFoundError,
    RequestError,
    ResumeTokenError,
    ServiceUnavailableError,
    WaitTimeoutError,
)
from contract.job import Eta, Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from faces import Face

    from client.steps import Send

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


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


@dataclass(frozen=True)
class Raw:
    """An answer of which each byte takes `byte_s` seconds."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    byte_s: float = 0.0


Reply = tuple[int, Any] | Raw | Exception


class Drip(io.BytesIO):
    """The body of an answer, which takes its time."""

    def __init__(self, service: Service, raw: Raw) -> None:
        super().__init__(raw.body)
        self.service, self.byte_s = service, raw.byte_s

    def read(self, size: int | None = -1) -> bytes:
        body = super().read(size)
        self.service.now_s += len(body) * self.byte_s
        return body

    def read1(self, _: int | None = -1) -> bytes:
        return self.read(1 if self.byte_s else -1)


class Service(BaseAdapter):
    """A service in memory that gives these replies in turn, the last one for ever, and a clock that sleeping moves."""

    face: Face

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies = list(replies)
        self.seen: list[tuple[float, requests.PreparedRequest]] = []
        self.now_s = 0.0

    def reply(self, request: requests.PreparedRequest) -> Raw:
        self.seen.append((self.now_s, request))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Raw) else Raw(reply[0], json.dumps(reply[1]).encode())

    def client(self, **options: Any) -> Any:
        is_blocking = self.face.name == "blocking"
        return self.face.connect(
            options.pop("url", "http://dubq.test"),
            session=self.session() if is_blocking else AioSession(self),
            clock=lambda: self.now_s,
            sleep=self.sleep if is_blocking else self.sleep_awaited,
            chance=lambda: 0.999_999,
            now=lambda: BEGAN + timedelta(seconds=self.now_s),
            **options,
        )

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def sleep_awaited(self, seconds: float) -> None:
        self.now_s += seconds

    def session(self) -> requests.Session:
        session = requests.Session()
        session.mount("http://", self)
        return session

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        try:
            raw = self.reply(request)
        except ConnectionRefusedError as error:
            raise requests.ConnectionError(str(error)) from None
        except TimeoutError as error:
            raise requests.ReadTimeout(str(error)) from None
        body = HTTPResponse(Drip(self, raw), raw.headers, raw.status, preload_content=False)
        return HTTPAdapter().build_response(request, body)

    def close(self) -> None:
        pass

    def urls(self) -> list[str]:
        return [str(request.url) for _, request in self.seen]

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body or "{}") for _, request in self.seen]


class AioSession:
    """What the client uses of an aiohttp session, over the same service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Any,
        data: Any,
        timeout: Any,  # noqa: ASYNC109 - aiohttp's own
        allow_redirects: bool,
    ) -> AsyncIterator[Any]:
        assert timeout.total > 0
        assert not allow_redirects
        try:
            raw = self._service.reply(requests.Request(method, url, headers=headers, data=data).prepare())
        except ConnectionRefusedError as error:
            raise aiohttp.ClientConnectionError(str(error)) from None

        async def read() -> bytes:
            took_s = len(raw.body) * raw.byte_s
            self._service.now_s += min(took_s, timeout.total)
            if took_s > timeout.total:
                raise TimeoutError
            return raw.body

        yield SimpleNamespace(status=raw.status, headers=CIMultiDict(raw.headers), read=read)


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.fixture(autouse=True)
def over_both_faces(face: Face) -> None:
    Service.face = face


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DUBQ_URL", "DUBQ_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def refused() -> Exception:
    return ConnectionRefusedError("refused")


def test_a_submission_whose_answer_was_lost_is_sent_again_under_the_same_id() -> None:
    service = Service(refused(), (503, {}), TimeoutError("slow"), (202, wire(State.QUEUED, 1)))
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


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"video_duration_s": float("nan")}, ValueError),
        ({"simulate": {"duration_s": float("inf")}}, ValueError),
        ({"metadata": {"a": {1, 2}}}, TypeError),
        ({"metadata": nested(100_000)}, ValueError),
        ({"idempotency_key": "schlüssel"}, ValueError),
        ({"idempotency_key": "a\nb"}, ValueError),
        ({"idempotency_key": "ключ"}, ValueError),
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(fields: dict[str, Any], kind: type[Exception]) -> None:
    service = Service((202, wire(State.QUEUED, 1)))
    with pytest.raises(kind, match=r"JSON|visible ASCII"):
        service.client().submit("https://example.com/a.mp4", **fields)
    assert service.seen == []


@pytest.mark.parametrize("url", ["", "ftp://dubq.test", "http://", "http://dubq.test:99999", "http://dubq .test"])
def test_an_address_that_can_be_none_is_refused_when_the_client_is_made(face: Face, url: str) -> None:
    with pytest.raises(ValueError, match=r"^url has to be"):
        face.connect(url or "dubq.test")


@pytest.mark.parametrize("token", ["sécret", "secret\n", "two words"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(face: Face, token: str) -> None:
    with pytest.raises(ValueError, match=r"^token has to be visible ASCII") as raised:
        face.connect(token=token)
    assert token not in str(raised.value)


def test_one_string_is_not_many_ids() -> None:
    service = Service((200, {"jobs": []}))
    client = service.client()
    for call in (client.get_statuses, client.wait_all, lambda ids: list(client.as_completed(ids))):
        with pytest.raises(TypeError, match="not one string"):
            call("abc")
    assert service.seen == []


def test_an_answer_that_drips_counts_as_none_once_its_time_is_over() -> None:
    service = Service()
    service.replies = [Raw(200, json.dumps(wire(State.RUNNING, 2)).encode(), byte_s=0.5)]
    with pytest.raises(WaitTimeoutError, match="has not been seen"):
        service.client().poll_status("j1", timeout=2, request_timeout=1)
    assert 2 <= service.now_s <= 3.5


@pytest.mark.parametrize("call", ["get_status", "poll_status", "wait"])
def test_a_service_that_has_moved_is_not_followed_but_named(call: str) -> None:
    service = Service()
    service.replies = [Raw(302, b"x" * 99, {"Location": "http://new.test/jobs/j1"}, byte_s=0.5)]
    with pytest.raises(RequestError, match=r"moved to http://new\.test: use that address"):
        getattr(service.client(request_timeout=1), call)("j1")
    assert "new.test" not in str(service.urls())
    assert service.now_s <= 4


def test_a_location_that_is_no_address_is_no_fault_of_the_caller_s() -> None:
    service = Service(Raw(302, headers={"Location": "http://["}))
    with pytest.raises((RequestError, ServiceUnavailableError)):
        service.client().get_status("j1")


@pytest.mark.usefixtures("face")
@pytest.mark.parametrize("face", [Blocking], indirect=True)  # it is requests that has such hooks
def test_hooks_of_a_session_of_one_s_own_are_still_called() -> None:
    seen: list[bytes] = []
    service = Service((200, wire(State.RUNNING, 2)))
    client = service.client()
    client._transport._session.hooks["response"].append(lambda response, **_: seen.append(response.content))
    assert client.get_status("j1").seq == 2
    assert len(seen) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 405, 418])
def test_a_wait_goes_on_where_the_way_to_redis_is_refused(status: int) -> None:
    service = Service((status, {}), (200, wire(State.COMPLETED, 2)))
    assert service.client().wait("j1").done


def test_a_wait_ends_where_nobody_may_ask_for_the_way_to_redis() -> None:
    service = Service((401, {}), (200, wire(State.COMPLETED, 2)))
    with pytest.raises(AuthenticationError):
        service.client().wait("j1")


def test_a_wait_goes_on_where_the_address_of_redis_has_an_option_that_does_not_exist() -> None:
    roads = {"client_id": "acme", "redis": None}
    url = "redis://127.0.0.1:1/0?colour=red"
    service = Service((200, roads), (200, wire(State.RUNNING, 1)), (200, wire(State.COMPLETED, 2)))
    assert service.client(redis_url=url).wait("j1").done
    with pytest.raises(NoPushError, match="address of Redis cannot be used"):
        Service((200, roads)).client(redis_url=url).subscribe("j1")


@pytest.mark.parametrize("status", [403, 405])
def test_a_redis_of_one_s_own_is_used_once_a_job_says_who_we_are(face: Face, status: int) -> None:
    service = Service((status, {}))
    way = service.client(redis_url="redis://own")._means.way
    assert face.result(way.find(Road.REDIS, 1.0)).result().redis_url is None
    way.note(Job.from_wire(wire(State.RUNNING, 1)))
    assert face.result(way.find(Road.REDIS, 1.0)).result() == Roads(client_id="acme", redis_url="redis://own")
    assert len(service.seen) == 1


def test_a_wait_goes_on_where_a_line_to_redis_cannot_even_be_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: Any, **__: Any) -> None:
        raise OSError(24, "Too many open files")

    roads = {"client_id": "acme", "redis": {"url": "redis://127.0.0.1:1"}}
    service = Service((200, roads), (200, wire(State.RUNNING, 1)), (200, wire(State.COMPLETED, 2)))
    monkeypatch.setattr("client.listener.socket.socketpair", no_more)
    assert service.client().subscribe("j1").done


def test_a_wait_goes_on_where_no_thread_can_be_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    roads = {"client_id": "acme", "redis": {"url": "redis://127.0.0.1:1"}}
    service = Service((200, roads), (200, wire(State.RUNNING, 1)), (200, wire(State.COMPLETED, 2)))
    monkeypatch.setattr("client.listener.threading.Thread.start", no_more)
    assert service.client().subscribe("j1").done


def test_asking_for_the_way_to_redis_takes_what_others_have_left_of_the_time(face: Face) -> None:
    seen: list[float] = []
    service = Service((200, {"client_id": "acme", "redis": None}))
    way = service.client()._means.way

    def promised(value: Any) -> Any:
        async def promise() -> Any:
            return value

        return value if face.name == "blocking" else promise()

    class Lock:
        """Somebody else's, who takes a second and a half."""

        def acquire(self, timeout: float = 2.0) -> Any:
            service.now_s += min(timeout, 1.5)
            return promised(True)  # noqa: FBT003

        def release(self) -> None:
            pass

    def send(step: Send[Any]) -> Any:
        seen.append(step.within_s)
        return promised(Answer(is_passing=True))

    way._lock = Lock()
    way._transport = SimpleNamespace(send=send)
    face.result(way.find(Road.REDIS, 2.0))
    assert seen == [0.5]


PAUSED = wire(State.RUNNING, 2) | {"state": "paused", "result": "pending", "done": False}
REFUSED = wire(State.ERROR, 3) | {"state": "refused", "result": "refused", "done": True}


def test_a_wait_goes_on_while_a_job_is_in_a_state_of_tomorrow() -> None:
    told: list[Job] = []
    service = Service((200, PAUSED), (200, PAUSED), (200, wire(State.COMPLETED, 3)))
    assert service.client().poll_status("j1", told.append).seq == 3
    assert [job.state for job in told] == ["paused", State.COMPLETED]


def test_an_end_of_tomorrow_ends_a_wait_and_is_no_success() -> None:
    service = Service((200, REFUSED))
    with pytest.raises(UnknownStateError, match="'refused'") as raised:
        service.client().poll_status("j1")
    assert raised.value.job_id == "j1"
    assert raised.value.job is not None
    assert raised.value.job.state == "refused"
    job = service.client().poll_status("j1", raise_on_failure=False)
    assert (job.state, job.result, job.done) == ("refused", "refused", True)
    assert service.now_s == 0


def test_one_job_in_a_state_of_tomorrow_does_not_spoil_the_others() -> None:
    service = Service((200, {"jobs": [PAUSED, wire(State.RUNNING, 1, "j2")], "next_cursor": None}))
    client = service.client()
    assert {job_id: job.state for job_id, job in client.get_statuses(["j1", "j2"]).items()} == {
        "j1": "paused",
        "j2": State.RUNNING,
    }
    assert [job.state for job in client.jobs()] == ["paused", State.RUNNING]


def test_many_are_waited_for_through_states_of_tomorrow() -> None:
    roads = (200, {"client_id": "acme", "redis": None})
    service = Service(roads, (200, {"jobs": [PAUSED]}), (200, {"jobs": [REFUSED]}))
    client = service.client()
    assert client.wait_all(["j1"])["j1"].state == "refused"
    with pytest.raises(UnknownStateError):
        client.wait_all(["j1"], raise_on_failure=True)


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
    for module in ("driver", "aio_driver"):
        monkeypatch.setattr(f"client.{module}.has_redis", lambda: False)
    client = Service((200, wire(State.COMPLETED, 2))).client()
    assert client.wait("j1").done
    with pytest.raises(NoPushError, match=r"pip install .dubq\[push\]."):
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
    service = Service((200, {"client_id": "acme", "redis": None}), (200, {"jobs": [job]}))
    assert list(service.client().wait_all(["j1", "dubq1.j1"])) == ["j1"]


# Many at once.


def batch(*results: Any) -> Reply:
    """Answer a batch: a job's id is that it was accepted, a number that it was refused with this status."""
    return (
        207,
        {
            "results": [
                {"status": each, "problem": {}}
                if isinstance(each, int)
                else {"status": 202, "job": wire(State.QUEUED, 1, each)}
                for each in results
            ]
        },
    )


def many(*job_ids: str) -> list[dict[str, Any]]:
    return [{"video_url": f"https://example.com/{job_id}.mp4", "job_id": job_id} for job_id in job_ids]


def test_many_are_submitted_in_one_request_and_returned_in_order() -> None:
    service = Service(refused(), batch("b", "a", "c"))
    client = service.client()
    assert [job.job_id for job in client.submit_many(many("b", "a", "c"))] == ["b", "a", "c"]
    assert service.urls() == ["http://dubq.test/jobs/batch"] * 2
    assert client.metrics.requests_by_kind == {"submit_many": 2}


def test_a_submission_of_many_without_an_id_is_sent_again_under_the_same_one() -> None:
    service = Service(refused(), (503, {}), (401, {}))
    with pytest.raises(NotAllSubmittedError) as raised:
        service.client().submit_many([{"video_url": "https://example.com/a.mp4"}])
    bodies = service.bodies()
    assert bodies == [bodies[0]] * 3
    assert bodies[0]["jobs"][0]["job_id"] == raised.value.job_id


def test_what_was_accepted_of_many_is_known_though_some_are_refused() -> None:
    service = Service(batch("a", 422, 503), batch("c"))
    with pytest.raises(NotAllSubmittedError, match="1 of 3 jobs were not submitted") as raised:
        service.client().submit_many(many("a", "b", "c"))
    assert [job and job.job_id for job in raised.value.jobs] == ["a", None, "c"]
    assert raised.value.job_id == "b"


@pytest.mark.parametrize(
    ("submission", "kind"),
    [
        ({"job_id": "x"}, TypeError),
        ({"video_url": "https://example.com/a.mp4", "vidoe": 1}, TypeError),
        ({"video_url": "https://example.com/a.mp4", "video_duration_s": float("inf")}, ValueError),
    ],
)
def test_nothing_is_sent_of_many_if_one_is_no_submission(submission: dict[str, Any], kind: type[Exception]) -> None:
    service = Service((202, wire(State.QUEUED, 1)))
    with pytest.raises(kind):
        service.client().submit_many([{"video_url": "https://example.com/a.mp4"}, submission])
    assert service.seen == []


def test_what_cannot_be_sent_in_time_is_not_sent_at_all() -> None:
    service = Service(refused())
    submissions = [{"video_url": "https://example.com/a.mp4", "job_id": f"j{n}"} for n in range(50)]
    with pytest.raises(NotAllSubmittedError) as raised:
        service.client().submit_many(submissions, timeout=5)
    assert [error.job_id for error in raised.value.errors] == [f"j{n}" for n in range(50)]
    assert len(service.seen) < 100


def bulk(*jobs: dict[str, Any]) -> Reply:
    return (200, {"jobs": list(jobs), "missing": []})


def test_many_are_waited_for_by_bulk_reads_of_those_that_go_on() -> None:
    service = Service(
        (200, {"client_id": "acme", "redis": None}),
        bulk(wire(State.RUNNING, 2, "a"), wire(State.COMPLETED, 3, "b")),
        bulk(wire(State.ERROR, 3, "a")),
    )
    ended = service.client().wait_all(["b", "a", "b"])
    assert {job_id: job.state for job_id, job in ended.items()} == {"b": State.COMPLETED, "a": State.ERROR}
    assert list(ended) == ["b", "a"]
    assert [parse_qs(urlsplit(url).query).get("ids") for url in service.urls()] == [None, ["b,a"], ["a"]]


def test_many_are_yielded_as_they_end() -> None:
    service = Service(
        (200, {"client_id": "acme", "redis": None}),
        bulk(wire(State.RUNNING, 2, "a"), wire(State.COMPLETED, 3, "b")),
        bulk(wire(State.CANCELLED, 3, "a")),
    )
    assert [job.job_id for job in service.client().as_completed(["a", "b"])] == ["b", "a"]


def test_of_no_jobs_all_have_ended() -> None:
    service = Service((500, {}))
    client = service.client()
    assert (client.wait_all([]), list(client.as_completed([])), client.submit_many([])) == ({}, [], [])
    assert service.seen == []


# What a submit was told is the first look of a wait that polls.

ETA = Eta(p10_s=6, p50_s=10, p90_s=14)


def asked_after_a_submit(between: Callable[[Any], object]) -> tuple[list[float], list[Any]]:
    """Return when a job was read by the wait after its submit, and what that told of."""
    queued = wire(State.QUEUED, 1, eta=ETA)
    service = Service((202, queued), (200, {"jobs": [queued], "next_cursor": None} | queued))
    client = service.client()
    client.submit("https://example.com/a.mp4", job_id="j1")
    between(client)
    service.replies, before = [(200, wire(State.COMPLETED, 3))], len(service.seen)
    told: list[Job] = []
    client.poll_status("j1", told.append)
    return [at_s for at_s, _ in service.seen[before:]], [job.state for job in told]


def test_a_poll_after_a_submit_looks_first_when_the_end_is_due() -> None:
    [first_s], told = asked_after_a_submit(lambda _: None)
    assert 7 < first_s < 9
    assert told == [State.QUEUED, State.COMPLETED]


@pytest.mark.parametrize(
    "between",
    [
        lambda client: client.get_status("j1"),
        lambda client: client.get_statuses(["j1"]),
        lambda client: client.cancel("j1"),
        lambda client: list(client.jobs()),
    ],
)
def test_a_poll_after_anything_else_was_asked_of_the_job_looks_at_once(between: Callable[[Any], object]) -> None:
    assert asked_after_a_submit(between) == ([0], [State.COMPLETED])


def test_each_of_many_that_were_submitted_is_polled_for_when_its_end_is_due() -> None:
    jobs = [wire(State.QUEUED, 1, each, eta=ETA) for each in "ab"]
    service = Service(
        (207, {"results": [{"status": 202, "job": each} for each in jobs]}), (200, wire(State.COMPLETED, 3))
    )
    client = service.client()
    client.submit_many(many("a", "b"))
    client.poll_status("a")
    assert len(service.seen) == 2
    assert service.seen[1][0] > 7
