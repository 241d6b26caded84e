"""Requests of a waiting client: those that hang, and what is left of them when it is closed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from service import eventually

from client import ClientClosedError, ServiceUnavailableError, WaitTimeoutError
from client.wire import KEPT_S

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from faces import Face
    from lines import Lines
    from played import PlayedService


def test_all_requests_of_a_thread_go_over_one_connection(face: Face, service: PlayedService) -> None:
    service.add()
    with face.connect(service.url) as client:
        for _ in range(3):
            client.get_status("j1")
        with pytest.raises(WaitTimeoutError):
            client.poll_status("j1", timeout=0.9 * KEPT_S)
    assert service.asked("/jobs/j1") >= 5
    assert len(service.connected) == 1


def test_a_connection_that_nobody_has_used_for_long_is_not_used_again(face: Face, service: PlayedService) -> None:
    service.add()
    with face.connect(service.url) as client:
        client.get_status("j1")
        old_s = time.monotonic() + 1.1 * KEPT_S
        eventually(lambda: time.monotonic() >= old_s)
        client.get_status("j1")
    assert len(service.connected) == 2


def test_a_request_that_hangs_is_given_up_in_time(
    face: Face, service: PlayedService, lines: Lines, pool: ThreadPoolExecutor
) -> None:
    service.add()
    line = lines.to(service.server_address[1])
    line.pause()
    with face.connect(f"http://127.0.0.1:{line.port}", request_timeout=0.2) as client:
        began_s = time.monotonic()
        done = pool.submit(client.poll_status, "j1", timeout=1)
        with pytest.raises(TimeoutError, match="has not been seen"):
            done.result(10)
        assert 1 <= time.monotonic() - began_s < 1.8


@pytest.mark.parametrize("head_after_s", [0.0, 0.6])
def test_an_answer_that_begins_and_then_hangs_is_given_up_in_time(face: Face, head_after_s: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def stammer() -> None:
            visitor, _ = door.accept()
            with visitor:
                visitor.recv(4096)
                time.sleep(head_after_s)
                visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
                visitor.recv(4096)

        thread = threading.Thread(target=stammer)
        thread.start()
        with face.connect(f"http://127.0.0.1:{door.getsockname()[1]}", request_timeout=1) as client:
            began_s = time.monotonic()
            with pytest.raises(ServiceUnavailableError):
                client.get_status("j1")
            assert 0.9 <= time.monotonic() - began_s < 1.4
        thread.join()


def test_an_answer_that_drips_does_not_outlast_the_wait(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def drip() -> None:
            while True:
                try:
                    visitor, _ = door.accept()
                except OSError:
                    return
                with visitor, contextlib.suppress(OSError):
                    visitor.recv(4096)
                    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
                    for _ in range(60):
                        visitor.sendall(b" ")
                        time.sleep(0.2)

        thread = threading.Thread(target=drip)
        thread.start()
        with face.connect(f"http://127.0.0.1:{door.getsockname()[1]}") as client:
            began_s = time.monotonic()
            with pytest.raises(TimeoutError, match="has not been seen"):
                client.poll_status("j1", timeout=0.5, request_timeout=0.5)
            assert time.monotonic() - began_s < 2.2
        door.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_closing_the_client_ends_its_waits_and_its_threads(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor
) -> None:
    service.add("j1")
    service.add("j2")
    client = face.connect(service.url)
    waits = [pool.submit(client.subscribe, "j1"), pool.submit(client.poll_status, "j2")]
    eventually(lambda: service.listeners() == 1 and service.asked("/jobs/j2") >= 1)
    client.close()
    assert face.at_work() == []
    for wait in waits:
        with pytest.raises(ClientClosedError):
            wait.result(5)


def test_closing_the_client_ends_waits_that_have_not_found_their_road(
    face: Face, service: PlayedService, lines: Lines, pool: ThreadPoolExecutor
) -> None:
    line = lines.to(service.server_address[1])
    client = face.connect(f"http://127.0.0.1:{line.port}")
    line.pause()
    waits = [pool.submit(client.wait, "a") for _ in range(3)]
    eventually(lambda: len(line.visits) == 1)  # one asks for all of them
    client.close()
    for wait in waits:
        with pytest.raises(ClientClosedError):
            wait.result(10)
    client.close()


def test_a_connection_that_was_kept_and_just_closed_costs_no_read_its_answer(
    face: Face, service: PlayedService
) -> None:
    service.add()
    with face.connect(service.url) as client:
        client.get_status("j1")
        service.hangs_up_once = True
        assert client.get_status("j1").job_id == "j1"
    assert len(service.connected) == 2
