"""Who is refused by a CallbackServer, and what they are told."""

from __future__ import annotations

import http.client
import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests
from hooks import OTHER_SECRET, SECRET, body_of, ended, event_of, post, quiet, raw

from client import CallbackServer, callbacks, webhooks
from client.reception import BODY_LIMIT

if TYPE_CHECKING:
    from contract.errors import DubqError

pytestmark = pytest.mark.sockets

EVENT = event_of(ended())


def test_a_wrong_signature_is_answered_401_without_a_reason(server: CallbackServer, refused: list[DubqError]) -> None:
    answer = post(server.url, EVENT, OTHER_SECRET)
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
    assert answer.json() == {
        "type": "urn:dubq:problem:webhook_unverified",
        "title": "The webhook cannot be verified",
        "status": 401,
        "detail": "The webhook cannot be verified",
        "code": "webhook_unverified",
        "retryable": False,
    }
    assert "is it the secret" in refused[0].reason  # type: ignore[attr-defined]
    assert quiet(server)


def test_an_unsigned_request_gets_the_same_answer_as_a_wrong_signature(server: CallbackServer) -> None:
    unsigned = requests.post(server.url, data=body_of(EVENT), timeout=10)
    assert unsigned.content == post(server.url, EVENT, OTHER_SECRET).content


def test_a_changed_body_is_refused(server: CallbackServer) -> None:
    assert post(server.url, EVENT, body=body_of(EVENT).replace(b"j1", b"j2")).status_code == 401


def test_any_of_several_secrets_will_do() -> None:
    with CallbackServer(iter([OTHER_SECRET, SECRET])) as server:
        assert [
            post(server.url, event_of(ended(), secret[-6:]), secret).status_code for secret in (SECRET, OTHER_SECRET)
        ] == [204, 204]


def test_a_refusal_is_a_warning_unless_somebody_asks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    with CallbackServer(SECRET) as server:
        post(server.url, EVENT, OTHER_SECRET)
    assert [(each.levelno, "is it the secret" in each.message) for each in caplog.records] == [(logging.WARNING, True)]


def test_a_signed_body_that_is_no_event_is_answered_422(server: CallbackServer) -> None:
    headers = webhooks.sign(b"{}", SECRET, webhook_id="msg_1", timestamp=callbacks.now_utc())
    answer = requests.post(server.url, data=b"{}", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (422, "webhook_payload")


def test_another_path_is_not_found(server: CallbackServer) -> None:
    assert post(server.url + "else", EVENT).status_code == 404
    assert post(server.url + "?from=dubq", EVENT).status_code == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_another_method_is_not_allowed(server: CallbackServer, method: str) -> None:
    answer = requests.request(method, server.url, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_a_body_as_large_as_may_be_is_read(server: CallbackServer) -> None:
    assert post(server.url, EVENT, body=b"x" * BODY_LIMIT).status_code == 401


def test_a_body_without_a_length_is_refused(server: CallbackServer) -> None:
    assert post(server.url, EVENT, body=iter([body_of(EVENT)])).status_code == 400  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"POST / HTTP/9.9\r\n\r\n", 505),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 5_0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_answered_with_a_problem(server: CallbackServer, sent: bytes, status: int) -> None:
    head, _, body = raw(server, sent).partition(b"\r\n\r\n")
    # to a request line without a version HTTP/0.9 is spoken, which has no head
    assert json.loads(body or head)["status"] == status


@pytest.mark.parametrize("head", ["POST / HTTP/1.1", "POST /else HTTP/1.1", "PUT / HTTP/1.1"])
def test_a_refused_sender_is_heard_out_and_so_hears_the_answer(server: CallbackServer, head: str) -> None:
    size = 10 * BODY_LIMIT
    answer = raw(server, f"{head}\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size)
    assert (
        answer.split()[1] == {"POST /": b"413", "POST /else": b"404", "PUT /": b"405"}[head.removesuffix(" HTTP/1.1")]
    )


def test_a_sender_that_asks_whether_to_go_on_is_told(server: CallbackServer) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as line:
        line.putrequest("POST", "/")
        for name, value in {"Expect": "100-continue", "Content-Length": "2"}.items():
            line.putheader(name, value)
        line.endheaders()
        assert line.sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.send(b"{}")
        assert line.getresponse().status == 401
