"""The load generator, a process of its own: `python -m benchmarks.load` reads an order (JSON), prints what came of it.

Plain sockets and one selector: it has to cost less than the server that it loads, on the same two cores. Each of its
keep-alive connections has one request under way; the requests are bytes made before the clock starts.
"""

import json
import selectors
import socket
import sys
from collections.abc import Iterator
from itertools import cycle
from time import perf_counter, process_time
from typing import Any

CHUNK = 65_536


class Connection:
    """One keep-alive connection. `requests` is shared by all of them."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests, self._buffer, self._began_s = requests, b"", 0.0

    def ask(self) -> None:
        """Send the next request."""
        self._began_s = perf_counter()
        self.socket.sendall(next(self._requests))

    def hear(self) -> tuple[int, float] | None:
        """Read what has come; return status and seconds once the answer is whole. Raises ConnectionError."""
        chunk = self.socket.recv(CHUNK)
        if not chunk:
            raise ConnectionError("the server has closed a keep-alive connection")
        self._buffer += chunk
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return None
        self._buffer = b""
        return int(head[9:12]), perf_counter() - self._began_s


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])


def attack(port: int, connections: int, seconds: float, requests: list[bytes]) -> dict[str, Any]:
    """Keep all connections busy for so many seconds; return statuses counted, seconds per answer, CPU spent."""
    statuses: dict[int, int] = {}
    times: list[float] = []
    source = cycle(requests)
    with selectors.DefaultSelector() as selector:
        everyone = [Connection(port, source) for _ in range(connections)]
        for each in everyone:
            selector.register(each.socket, selectors.EVENT_READ, each)
            each.ask()
        began_s, cpu_s = perf_counter(), process_time()
        while perf_counter() - began_s < seconds:
            for key, _ in selector.select(1):
                answer = key.data.hear()
                if answer:
                    statuses[answer[0]] = statuses.get(answer[0], 0) + 1
                    times.append(answer[1])
                    key.data.ask()
        took_s, cpu_s = perf_counter() - began_s, process_time() - cpu_s
        for each in everyone:
            each.socket.close()
    return {"statuses": statuses, "times_s": times, "took_s": took_s, "cpu_s": cpu_s}


if __name__ == "__main__":
    order = json.load(sys.stdin)
    order["requests"] = [text.encode() for text in order["requests"]]
    json.dump(attack(**order), sys.stdout)
