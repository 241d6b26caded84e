"""Senders that are slow, silent or too many, and the end of a CallbackServer."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import requests
from hooks import SECRET, ended, event_of, post, raw
from service import eventually

from client import CallbackServer, WebhookEvent
from client.reception import CONNECTIONS

pytestmark = pytest.mark.sockets

EVENT = event_of(ended())


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
