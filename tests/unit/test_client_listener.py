"""The line to Redis, with a connection that says what the test wants."""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from client.listener import _Line
from client.switchboard import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator


class Connection:
    """Acknowledges what it is told to, and says what the test puts into it."""

    def __init__(self) -> None:
        self._sock, self._far = socket.socketpair()
        self._said: deque[list[Any]] = deque()
        self.commands: list[tuple[Any, ...]] = []
        self.breaks_off_badly = False

    def connect(self) -> None:
        pass

    def say(self, *response: Any) -> None:
        self._said.append(list(response))
        self._far.send(b"!")

    def can_read(self, timeout: float) -> bool:
        assert timeout == 0
        return bool(self._said)

    def read_response(self, *, disconnect_on_error: bool) -> list[Any]:
        assert not disconnect_on_error
        self._sock.recv(1)
        return self._said.popleft()

    def send_command(self, *command: Any, check_health: bool = True) -> None:
        assert not check_health
        self.commands.append(command)

    def disconnect(self) -> None:
        self._sock.close()
        self._far.close()
        if self.breaks_off_badly:
            raise OSError("even this has failed")

    def has_been_sent(self, *commands: tuple[Any, ...]) -> bool:
        until_s = time.monotonic() + 5
        while self.commands != list(commands) and time.monotonic() < until_s:
            time.sleep(0.001)
        return self.commands == list(commands)


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def line(connection: Connection) -> Iterator[_Line]:
    made = _Line(connection, time.monotonic)
    yield made
    made.close()


def test_a_message_of_an_earlier_subscription_is_no_acknowledgement(connection: Connection, line: _Line) -> None:
    subscribe, unsubscribe = ("SUBSCRIBE", b"c"), ("UNSUBSCRIBE", b"c")
    mailbox = line.join(["c"])
    assert connection.has_been_sent(subscribe)
    connection.say(b"subscribe", b"c", 1)
    assert mailbox.take(5) is Signal.UP
    mailbox.leave()
    assert connection.has_been_sent(subscribe, unsubscribe)
    mailbox = line.join(["c"])
    assert connection.has_been_sent(subscribe, unsubscribe, subscribe)
    connection.say(b"message", b"c", b"left over")
    connection.say(b"unsubscribe", b"c", 0)
    connection.say(b"subscribe", b"c", 1)
    assert mailbox.take(5) is Signal.UP
    connection.say(b"message", b"c", b"news")
    assert mailbox.take(5) == b"news"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_loss_of_a_line_is_told_though_it_breaks_off_badly(connection: Connection, line: _Line) -> None:
    mailbox = line.join(["c"])
    assert connection.has_been_sent(("SUBSCRIBE", b"c"))
    connection.breaks_off_badly = True
    line.close()
    assert mailbox.take(5) is Signal.LOST
