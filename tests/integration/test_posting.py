"""One attempt at a webhook, over a real line to receivers that behave badly."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from receivers import OK, Receiver

from contract.addresses import EVERYWHERE, LOOPBACK, NONE, parse_networks
from contract.delivery import Answer
from worker.posting import BODY_LIMIT, Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.sockets

TIMEOUT_S = 0.4
SENDER = Sender(allowed=parse_networks(LOOPBACK), resolve=lambda _host, _port: ["127.0.0.1"])
HURRIED = replace(SENDER, timeout_s=TIMEOUT_S)
"""For receivers that let it wait; the others get the time that a busy machine may need."""
LATE = Answer(error="there was no answer within 0.4 s")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def post(receiver: Receiver, sender: Sender = SENDER, *, host: str = "receiver.example", path: str = "/") -> Answer:
    return sender.post(f"http://{host}:{receiver.port}{path}", {"webhook-id": "msg_1"}, b"{}")


def test_a_webhook_is_a_plain_post_to_the_host_that_was_named(receiver: Receiver) -> None:
    receiver.says(OK)
    assert post(receiver, path="/hook?a=ä") == Answer(status=204)
    head, _, body = receiver.heard[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=%C3%A4 HTTP/1.1"
    assert {"webhook-id: msg_1", f"Host: receiver.example:{receiver.port}", "Content-Length: 2"} <= set(lines)
    assert body == b"{}"


@pytest.mark.parametrize(("status", "is_hopeless"), [(500, False), (404, False), (410, True)])
def test_what_is_no_2xx_is_no_success(status: int, is_hopeless: bool, receiver: Receiver) -> None:  # noqa: FBT001
    receiver.says(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
    answer = post(receiver)
    assert (answer.status, answer.is_hopeless) == (status, is_hopeless)
    assert str(answer.error).startswith(f"answered {status}")


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.says(f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{receiver.port}/x\r\n\r\n".encode())
    assert post(receiver) == Answer(status=302, error="answered 302, and redirects are not followed")
    assert receiver.connections == 1


def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    receiver.says(OK)
    assert post(receiver) == Answer(status=204)


def test_a_huge_answer_is_read_a_little(receiver: Receiver) -> None:
    sent: list[int] = []
    is_over = threading.Event()

    def flood(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while sum(sent) < 2**26:
                sent.append(line.send(b"x" * 65536))
        is_over.set()

    receiver.says(flood)
    assert post(receiver) == Answer(status=200)
    assert is_over.wait(10)
    assert BODY_LIMIT < sum(sent) < 2**25  # what the system's buffers took, and not all of it


def drip(said: bytes) -> Callable[[socket.socket], None]:
    """Answer a byte every twentieth of a second: soon enough for a timeout that begins anew with each."""

    def send(line: socket.socket) -> None:
        with suppress(OSError):
            for each in said:
                line.sendall(bytes([each]))
                time.sleep(0.05)

    return send


def silence(line: socket.socket) -> None:
    with suppress(OSError):
        line.recv(1)


@pytest.mark.parametrize("answer", [silence, drip(OK + b" " * 100), drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)])
def test_an_attempt_takes_no_longer_than_it_may(answer: Callable[[socket.socket], None], receiver: Receiver) -> None:
    receiver.says(answer)
    began_s = time.monotonic()
    assert post(receiver, HURRIED) == LATE
    assert TIMEOUT_S * 0.9 < time.monotonic() - began_s < TIMEOUT_S + 2


def test_a_body_that_never_ends_does_not_undo_the_status(receiver: Receiver) -> None:
    receiver.says(lambda line: (line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx"), silence(line)))
    assert post(receiver, replace(SENDER, timeout_s=1)) == Answer(status=200)


@pytest.mark.parametrize(
    "said",
    [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 70_000, b"\x00" * 100],
)
def test_what_is_no_http_is_no_success(said: bytes, receiver: Receiver) -> None:
    receiver.says(said)
    answer = post(receiver)
    assert answer.status is None
    assert answer.error
    assert not answer.is_hopeless


def test_nobody_there_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert SENDER.post(f"http://a.example:{port}/", {}, b"{}") == Answer(error="Connection refused")


def test_a_name_that_does_not_exist_is_tried_again_later() -> None:
    def no_such_name(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    answer = replace(SENDER, resolve=no_such_name).post("http://a.example/", {}, b"{}")
    assert answer == Answer(error="a.example cannot be resolved")


def test_a_name_server_that_is_silent_takes_no_longer_than_an_attempt_may() -> None:
    ended = threading.Event()

    def slowly(_host: str, _port: int) -> list[str]:
        ended.wait()
        return ["127.0.0.1"]

    assert replace(HURRIED, resolve=slowly).post("http://a.example/", {}, b"{}") == LATE
    ended.set()


def test_a_name_with_a_private_address_among_others_is_never_called(receiver: Receiver) -> None:
    sender = replace(SENDER, allowed=NONE, resolve=lambda _host, _port: ["93.184.215.14", "127.0.0.1"])
    answer = post(receiver, sender)
    assert str(answer.error).startswith("receiver.example has the address 127.0.0.1 is not")
    assert not answer.is_hopeless
    assert receiver.connections == 0


def test_a_name_is_asked_for_once_so_it_cannot_change_its_mind(receiver: Receiver) -> None:
    """The check and the connection go by one answer: the second one, which is private, is never asked for."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) == 1 else ["127.0.0.1"]

    # 127.0.0.2 stands for an address that may be called and where nobody listens
    sender = replace(SENDER, allowed=parse_networks("127.0.0.2"), resolve=rebinding)
    assert post(receiver, sender) == Answer(error="Connection refused")
    assert (asked, receiver.connections) == (["receiver.example"], 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0177.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_an_address_that_is_written_out_is_refused_for_good(host: str, receiver: Receiver) -> None:
    answer = post(receiver, replace(SENDER, allowed=NONE), host=host)
    assert str(answer.error).endswith("is not a public address, and not one that this service may call")
    assert answer.is_hopeless
    assert receiver.connections == 0


@pytest.mark.parametrize("url", ["http://user@example.com/", "ftp://example.com/", "http://exa mple/"])
def test_a_url_that_leads_nowhere_is_hopeless(url: str) -> None:
    answer = SENDER.post(url, {}, b"{}")
    assert str(answer.error).startswith("its URL ")
    assert answer.is_hopeless


def test_the_next_address_is_tried_where_nobody_is_at_the_first(receiver: Receiver) -> None:
    receiver.says(OK)
    two = replace(SENDER, allowed=EVERYWHERE, resolve=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
    assert post(receiver, two) == Answer(status=204)


@pytest.fixture
def secure() -> Iterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(PEM)
    made = Receiver(tls=tls)
    yield made
    made.close()


PEM = Path(__file__).with_name("receiver.pem")
"""A key and its own certificate, for receiver.example and nobody else."""


@pytest.fixture
def trusting() -> Sender:
    return replace(SENDER, trust=ssl.create_default_context(cafile=str(PEM)))


def test_a_certificate_is_held_against_the_name_and_not_the_address(secure: Receiver, trusting: Sender) -> None:
    secure.says(OK, OK)
    assert trusting.post(f"https://receiver.example:{secure.port}/", {}, b"{}") == Answer(status=204)
    answer = trusting.post(f"https://another.example:{secure.port}/", {}, b"{}")
    assert str(answer.error).startswith("there is no secure connection: Hostname mismatch")


def test_a_certificate_of_nobody_known_is_refused(secure: Receiver) -> None:
    answer = SENDER.post(f"https://receiver.example:{secure.port}/", {}, b"{}")
    assert answer == Answer(error="there is no secure connection: self-signed certificate")
    assert secure.heard == []
