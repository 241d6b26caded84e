"""A receiver of webhooks that answers whatever a test says, byte by byte."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Answer = Callable[[socket.socket], Any]

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


def heard_whole(line: socket.socket) -> bytes:
    """Return a request, from its first byte to the last of its body."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += line.recv(65536)
    head, _, body = heard.partition(b"\r\n\r\n")
    length = next(int(each[16:]) for each in head.split(b"\r\n") if each.lower().startswith(b"content-length: "))
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body


@dataclass
class Receiver:
    """A server on one connection at a time that answers as a test says, in bytes; `heard` is what it was sent."""

    answers: list[Answer] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    left: threading.Event = field(default_factory=threading.Event)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def says(self, *answers: bytes | Answer) -> None:
        self.answers += [each if callable(each) else sends(each) for each in answers]

    def close(self) -> None:
        self.left.set()
        with closing(self._listener):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _serve(self) -> None:
        while not self.left.is_set():
            with suppress(OSError):  # it is closed, or the sender has hung up
                line, _ = self._listener.accept()
                self.connections += 1
                with closing(line):
                    self._answer(line)

    def _answer(self, line: socket.socket) -> None:
        line.settimeout(5)
        if self.tls:
            line = self.tls.wrap_socket(line, server_side=True)
        self.heard.append(heard_whole(line))
        self.answers.pop(0)(line)
        line.close()


def sends(said: bytes) -> Answer:
    return lambda line: line.sendall(said)
