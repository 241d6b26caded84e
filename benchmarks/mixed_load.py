"""A load of all kinds, a process of its own: takes an order (JSON) on its standard input, prints what came of it.

Submissions, polls, lists, cancels and bad requests on keep-alive connections, with streams beside them that are each
read to the end of a job. Every request knows which answers are right.
"""

import json
import selectors
import socket
import sys
from collections import Counter, deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any, Final

from .load import CHUNK, Connection

TURN: Final = ("submit", "poll", "poll", "poll", "poll", "list", "bad", "poll", "poll", "cancel", "poll", "poll")
"""What comes after one another."""
BEHIND: Final = 10
"""A job is polled until so many others have come."""
CANCELS: Final = 5
"""One of so many is cancelled."""
BAD: Final = (
    ("POST", "/jobs", "{", {400}),
    ("POST", "/jobs", '{"video_url": "ftp://x", "surprise": 1}', {422}),
    ("GET", "/jobs/there-is-none", "", {404}),
    ("GET", "/nowhere", "", {404}),
    ("GET", "/jobs?limit=0", "", {422}),
    ("DELETE", "/jobs", "", {405}),
)
PATIENCE_S: Final = 30.0
IDLE_S: Final = 1.0
"""The service closes a connection that was idle for two seconds; one that comes near to that is not used again."""
DONE: Final = b'"done":true'


@dataclass(slots=True)
class Found:
    """Answers by kind and status, and what was wrong, in words."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    streams: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes to send, what they are, and the answers that are right; the job that they make, if they do."""

    data: bytes
    kind: str
    right: AbstractSet[int]
    job_id: str = ""


class Mix:
    """Makes requests. What is asked about was accepted before: `accepted` has the last such jobs."""

    def __init__(self, token: str, name: str) -> None:
        self._token, self._name = token, name
        self.accepted: deque[str] = deque(maxlen=BEHIND)

    def __iter__(self) -> Iterator[Request]:
        for turn in count():
            for kind in TURN:
                if kind == "submit":
                    job_id = f"{self._name}-{turn}"
                    wish = {
                        "video_url": "https://example.com/talk.mp4",
                        "job_id": job_id,
                        "simulate": {"duration_s": 1},
                    }
                    yield Request(self._ask("POST", "/jobs", json.dumps(wish)), kind, {202}, job_id)
                elif kind == "list":
                    yield Request(self._ask("GET", "/jobs?limit=20&state=running"), kind, {200})
                elif kind == "bad":
                    method, path, body, right = BAD[turn % len(BAD)]
                    yield Request(self._ask(method, path, body), kind, right)
                elif kind == "poll" and self.accepted:
                    yield Request(self._ask("GET", f"/jobs/{self.accepted[0]}"), kind, {200})
                elif kind == "cancel" and self.accepted and turn % CANCELS == 0:
                    yield Request(self._ask("POST", f"/jobs/{self.accepted[-1]}/cancel"), kind, {200, 409})

    def stream(self) -> bytes:
        """Return the request for the stream of the job that was accepted last."""
        return self._ask("GET", f"/jobs/{self.accepted[-1]}/events")

    def _ask(self, method: str, path: str, body: str = "") -> bytes:
        lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Authorization: Bearer {self._token}"]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", body]).encode()


class Asker:
    """One connection with one request of the mix under way, or none until its next one is due."""

    def __init__(self, port: int, mix: Mix, source: Iterator[Request], selector: selectors.BaseSelector) -> None:
        self._port, self._mix, self._source, self._selector = port, mix, source, selector
        self._under_way = Request(b"", "", frozenset())
        self._line: Connection | None = None
        self._came_s = 0.0
        self.is_busy = False

    def ask(self) -> None:
        """Send the next request, on a new connection if the old one may be closed before it arrives."""
        if monotonic() - self._came_s > IDLE_S:
            self.close()
        if self._line is None:
            self._line = Connection(self._port, iter(self._next, None))
            self._selector.register(self._line.socket, selectors.EVENT_READ, self)
        self.is_busy = True
        self._line.ask()

    def hear(self, found: Found) -> bool:
        """Read what has come; note an answer that is whole, and return whether there was one."""
        try:
            answer = self._line.hear() if self._line else None
        except ConnectionError:
            if self.is_busy:
                found.wrong[f"{self._under_way.kind} was hung up on"] += 1
            self.close()
            return False
        if answer is None:
            return False
        self.is_busy, self._came_s = False, monotonic()
        asked, status = self._under_way, answer[0]
        found.answers[f"{asked.kind} {status}"] += 1
        if status not in asked.right:
            found.wrong[f"{asked.kind} answered {status}"] += 1
        elif asked.job_id:
            self._mix.accepted.append(asked.job_id)
        return True

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._selector.unregister(self._line.socket)
            self._line.socket.close()
        self._line, self.is_busy = None, False

    def _next(self) -> bytes:
        self._under_way = next(self._source)
        return self._under_way.data


class Reader:
    """One stream, which has to tell the end of its job."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.sendall(request)
        self._heard = b""

    def hear(self, found: Found) -> bool:
        """Read what has come; return whether that was all."""
        chunk = self.socket.recv(CHUNK)
        self._heard = (self._heard + chunk)[-4096:]
        is_told = DONE in self._heard
        if not (is_told or not chunk):
            return False
        found.streams += is_told
        if not is_told:
            found.wrong[f"a stream broke off: {self._heard[:12]!r}"] += 1
        return True


class Attack:
    """A mix that is sent for so many seconds, at a rate if one is given, and streams that are read beside it."""

    def __init__(self, order: dict[str, Any], selector: selectors.BaseSelector) -> None:
        self._order, self._selector, self._found = order, selector, Found()
        self._mix = Mix(order["token"], order["name"])
        source = iter(self._mix)
        self._askers = [Asker(order["port"], self._mix, source, selector) for _ in range(order["connections"])]
        self._sent = self._streams = 0

    def run(self) -> dict[str, Any]:
        """Send, read all streams to their ends, and return what came of it."""
        seconds, began_s = self._order["seconds"], monotonic()
        while (now_s := monotonic() - began_s) < seconds:
            self._ask(now_s)
            self._open()
            self._hear()
        took_s = monotonic() - began_s
        while self._is_waiting() and monotonic() - began_s < seconds + PATIENCE_S:
            self._hear()
        self._give_up()
        found = self._found
        return {
            "answers": found.answers,
            "wrong": found.wrong,
            "streams": found.streams,
            "rate": sum(found.answers.values()) / took_s,
        }

    def _ask(self, now_s: float) -> None:
        rate = self._order["rate"]
        idle = [each for each in self._askers if not each.is_busy]
        for each in idle[: max(0, int(rate * now_s) - self._sent) if rate else None]:
            each.ask()
            self._sent += 1

    def _open(self) -> None:
        if self._mix.accepted and self._streams < self._order["streams"]:
            reader = Reader(self._order["port"], self._mix.stream())
            self._selector.register(reader.socket, selectors.EVENT_READ, reader)
            self._streams += 1

    def _hear(self) -> None:
        for key, _ in self._selector.select(0.002):
            if key.data.hear(self._found) and isinstance(key.data, Reader):
                self._selector.unregister(key.fileobj)
                key.data.socket.close()
                self._streams -= 1

    def _is_waiting(self) -> bool:
        return self._streams > 0 or any(each.is_busy for each in self._askers)

    def _give_up(self) -> None:
        found = self._found
        found.wrong["an answer never came"] += sum(each.is_busy for each in self._askers)
        found.wrong["a stream never told the end"] += self._streams
        found.wrong = +found.wrong  # without what never happened


def attack(order: dict[str, Any]) -> dict[str, Any]:
    """Do as ordered."""
    with selectors.DefaultSelector() as selector:
        return Attack(order, selector).run()


if __name__ == "__main__":
    json.dump(attack(json.load(sys.stdin)), sys.stdout)
