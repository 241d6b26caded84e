"""CallbackServer over real sockets, with real signatures."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests
from hooks import OTHER_SECRET, SECRET, body_of, ended, event_of, post
from service import eventually

from client import CallbackServer, ClientClosedError, WaitTimeoutError, WebhookEvent, callbacks, webhooks
from client.reception import BODY_LIMIT, CONNECTIONS
from contract.errors import DubqError, JobNotFoundError
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.sockets

EVENT = event_of(ended())


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def refused() -> list[DubqError]:
    return []


@pytest.fixture
def server(refused: list[DubqError]) -> Iterator[CallbackServer]:
    with CallbackServer(SECRET, on_refused=refused.append) as running:
        yield running


def quiet(server: CallbackServer) -> bool:
    """Whether nothing waits to be taken."""
    try:
        server.take(0)
    except WaitTimeoutError:
        return True
    return False


def test_a_webhook_that_comes_can_be_taken(server: CallbackServer) -> None:
    answer = post(server.url, EVENT)
    assert (answer.status_code, answer.content) == (204, b"")
    assert server.take(5) == EVENT


def test_whoever_waits_for_an_event_gets_it_when_it_comes(server: CallbackServer) -> None:
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(server.take, 10)
        post(server.url, EVENT)
        assert taken.result(10) == EVENT


def test_taking_times_out(server: CallbackServer) -> None:
    with pytest.raises(WaitTimeoutError, match=r"no webhook came within 0\.05 s"):
        server.take(0.05)


def test_a_delivery_that_comes_again_is_answered_well_and_given_once(server: CallbackServer) -> None:
    assert [post(server.url, EVENT).status_code for _ in range(3)] == [204] * 3
    assert server.take(5) == EVENT
    assert quiet(server)


def test_events_are_iterated_over_until_the_end() -> None:
    with CallbackServer(SECRET) as server:
        for number in range(3):
            post(server.url, event_of(ended(), f"msg_{number}"))
        server.close()
        assert [event.webhook_id for event in server] == ["msg_0", "msg_1", "msg_2"]
        with pytest.raises(ClientClosedError):
            server.take(5)


def test_each_event_goes_to_the_handler_for_its_type_or_else_to_the_general_one() -> None:
    got: dict[str, list[State]] = {"completed": [], "failed": [], "rest": []}

    def into(name: str) -> Callable[[WebhookEvent], None]:
        return lambda event: got[name].append(event.job.state)

    with CallbackServer(
        SECRET, on_completed=into("completed"), on_failed=into("failed"), on_event=into("rest")
    ) as server:
        for state in (State.COMPLETED, State.ERROR, State.CANCELLED):
            assert post(server.url, event_of(ended(state), f"msg_{state}")).status_code == 204
        assert [server.take(5).job.state for _ in range(3)] == [State.COMPLETED, State.ERROR, State.CANCELLED]
    assert got == {"completed": [State.COMPLETED], "failed": [State.ERROR], "rest": [State.CANCELLED]}


@pytest.mark.parametrize("error", [ZeroDivisionError("my own secret"), JobNotFoundError("my own job")])
def test_a_delivery_whose_handler_fails_is_answered_500_and_handled_when_it_comes_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[WebhookEvent] = []

    def handle(event: WebhookEvent) -> None:
        tried.append(event)
        if len(tried) == 1:
            raise error

    with CallbackServer(SECRET, on_completed=handle) as server:
        answer = post(server.url, EVENT)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert str(error) not in answer.text
        assert quiet(server)
        assert [post(server.url, EVENT).status_code for _ in range(2)] == [204, 204]
        assert server.take(0) == EVENT
    assert tried == [EVENT, EVENT]
    (record,) = caplog.records
    assert record.message == "webhook_handler_failed"
    assert record.exc_info
    assert record.exc_info[1] is error


def test_of_two_deliveries_at_once_one_is_handled_and_the_other_comes_again_later() -> None:
    began, may_end, handled = threading.Event(), threading.Event(), []

    def handle(event: WebhookEvent) -> None:
        began.set()
        assert may_end.wait(10)
        handled.append(event)

    with CallbackServer(SECRET, on_event=handle) as server, ThreadPoolExecutor() as pool:
        first = pool.submit(post, server.url, EVENT)
        assert began.wait(10)
        second = post(server.url, EVENT)
        assert (second.status_code, second.headers["Retry-After"]) == (503, "5")
        assert second.json()["retryable"]
        may_end.set()
        assert first.result().status_code == 204
        assert post(server.url, EVENT).status_code == 204
    assert handled == [EVENT]


def test_of_many_deliveries_at_once_each_event_is_handled_once() -> None:
    handled: list[str] = []
    with (
        CallbackServer(SECRET, on_event=lambda event: handled.append(event.webhook_id)) as server,
        ThreadPoolExecutor(16) as pool,
    ):

        def insist(number: int) -> int:
            event = event_of(ended(), f"msg_{number % 20}")
            while (status := post(server.url, event).status_code) == 503:
                pass
            return status

        assert set(pool.map(insist, range(100))) == {204}
    assert sorted(handled) == sorted(f"msg_{number}" for number in range(20))


def test_a_slow_handler_keeps_no_other_event_waiting() -> None:
    meeting = threading.Barrier(2)
    with CallbackServer(SECRET, on_event=lambda _: meeting.wait(10)) as server, ThreadPoolExecutor() as pool:
        answers = pool.map(lambda number: post(server.url, event_of(ended(), f"msg_{number}")), range(2))
        assert [answer.status_code for answer in answers] == [204, 204]


def test_without_handlers_no_event_is_taken_in_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "WAITING", 2)
    with CallbackServer(SECRET) as server:
        events = [event_of(ended(), f"msg_{number}") for number in range(3)]
        assert [post(server.url, event).status_code for event in events] == [204, 204, 503]
        assert server.take(0) == events[0]
        assert post(server.url, events[2]).status_code == 204
        assert [server.take(0), server.take(0)] == events[1:]


# Who is refused, and what they are told.


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


def raw(server: CallbackServer, sent: bytes) -> bytes:
    """Send bytes and say no more; return all that comes back until the server hangs up."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as line:
        line.sendall(sent)
        received = b""
        while chunk := line.recv(65536):
            received += chunk
        return received


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


# Senders that are slow, silent or too many, and the end.


def drip(server: CallbackServer, sent: bytes) -> float:
    """Send byte by byte until the server hangs up; return after how many seconds it does."""
    began_s = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=0.05)) as line:
        for byte in sent:
            try:
                line.send(bytes([byte]))
                if line.recv(65536):
                    break
            except TimeoutError:
                continue  # it goes on listening
            except ConnectionError:
                break
    return time.monotonic() - began_s


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 1000,
        b"x",
        b"POST / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000,
    ],
    ids=["head", "nothing more", "body"],
)
def test_a_sender_that_drips_is_cut_off(sent: bytes) -> None:
    with CallbackServer(SECRET, request_timeout=0.3) as server:
        if len(sent) == 1:
            began_s = time.monotonic()
            raw(server, sent)
            assert time.monotonic() - began_s < 5
        else:
            assert drip(server, sent[:200]) < 5
        assert post(server.url, EVENT).status_code == 204


def test_a_handler_may_take_longer_than_a_request() -> None:
    may_end = threading.Event()
    with (
        CallbackServer(SECRET, request_timeout=0.1, on_event=lambda _: may_end.wait(10)) as server,
        ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(post, server.url, EVENT)
        with pytest.raises(TimeoutError):
            answer.result(0.5)
        may_end.set()
        assert answer.result(10).status_code == 204


def test_more_connections_than_there_is_room_for_are_hung_up_on_and_leave_no_harm() -> None:
    with CallbackServer(SECRET, request_timeout=1) as server:
        lines = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(CONNECTIONS + 8)]
        assert lines[-1].recv(1) == b""
        assert threading.active_count() <= CONNECTIONS + 8
        for line in lines:
            line.close()
        eventually(lambda: not server._reception._until_s, 10)
        assert post(server.url, EVENT).status_code == 204


def test_closing_cuts_off_who_is_still_sending_and_waits_for_who_is_at_work() -> None:
    began, may_end, handled = threading.Event(), threading.Event(), []

    def handle(event: WebhookEvent) -> None:
        began.set()
        assert may_end.wait(10)
        handled.append(event)

    server = CallbackServer(SECRET, on_event=handle)
    with (
        closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as silent,
        ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(post, server.url, EVENT)
        assert began.wait(10)
        closed = pool.submit(server.close)
        assert silent.recv(1) == b""
        assert not closed.done()
        may_end.set()
        closed.result(10)
        assert answer.result(10).status_code == 204
    assert handled == [EVENT]
    with pytest.raises(requests.ConnectionError):
        post(server.url, EVENT)
    server.close()  # once more does no harm


def test_closing_is_quick() -> None:
    server = CallbackServer(SECRET)
    began_s = time.monotonic()
    server.close()
    assert time.monotonic() - began_s < 1


@pytest.mark.parametrize("secret", ["", "!", None, [], ["whsec_"]])
def test_a_secret_that_is_none_is_told_before_anything_listens(secret: object) -> None:
    with pytest.raises(ValueError, match="secret"):
        CallbackServer(secret)  # type: ignore[arg-type]


def test_a_port_that_is_taken_is_an_os_error(server: CallbackServer) -> None:
    with pytest.raises(OSError, match="in use"):
        CallbackServer(SECRET, port=server.port)


@pytest.mark.parametrize("wrong", [{"path": "hooks"}, {"tolerance": -1}, {"request_timeout": float("nan")}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CallbackServer(SECRET, **wrong)  # type: ignore[arg-type]
