"""What is sent, what is not, and what becomes of an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from faces import Blocking
from replying import Raw, Service, refused, wire

from contract.errors import (
    RequestError,
    ServiceUnavailableError,
    WaitTimeoutError,
)
from contract.states import State

if TYPE_CHECKING:
    from faces import Face


pytestmark = pytest.mark.usefixtures("over_both_faces")


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


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
