"""Many readers of streams in one cheap process: plain sockets, and no parsing but of what is looked for.

Takes one line of JSON, {"port", "job_ids", "stuck", "ends"}; says {"opened_s"} once there is a reader for each of the
job_ids, and one that never reads for each of those `stuck`; and {"delays_s"} once so many have been told the end: from
the time that its message says to the time of reading it.
"""

import json
import selectors
import socket
import sys
from time import monotonic, time
from typing import Final

STAMP: Final = "https://example.com/at/"
"""What stands before the time (Unix, seconds) at which a job has ended, in the document."""
TOGETHER: Final = 100
"""So many connect at once."""
LEAST: Final = 4096
"""Bytes that the system takes for a reader that never reads."""
PATIENCE_S: Final = 30.0


def main() -> None:
    order = json.loads(sys.stdin.readline())
    selector = selectors.DefaultSelector()
    began_s = monotonic()
    stuck = [_open(order["port"], job_id, receives=LEAST) for job_id in order["stuck"]]
    for first in range(0, len(order["job_ids"]), TOGETHER):
        some = [_open(order["port"], job_id) for job_id in order["job_ids"][first : first + TOGETHER]]
        for each in some:
            while b"data: " not in each.recv(65_536):
                pass
            each.settimeout(0)
            selector.register(each, selectors.EVENT_READ)
    print(json.dumps({"opened_s": monotonic() - began_s}), flush=True)
    print(json.dumps({"delays_s": _ends(selector, order["ends"])}), flush=True)
    for each in stuck:
        each.close()


def _open(port: int, job_id: str, *, receives: int | None = None) -> socket.socket:
    opened = socket.socket()
    opened.settimeout(PATIENCE_S)
    if receives is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    opened.connect(("127.0.0.1", port))
    opened.sendall(f"GET /jobs/{job_id}/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    return opened


def _ends(selector: selectors.BaseSelector, ends: int) -> list[float]:
    """Return the delays, as far as ends come within the patience after one another."""
    delays_s: list[float] = []
    stamp = STAMP.encode()
    while len(delays_s) < ends and (ready := selector.select(PATIENCE_S)):
        for key, _ in ready:
            came = key.fileobj.recv(65_536)  # type: ignore[union-attr]  # it is a socket
            now_s = time()
            if stamp in came:
                delays_s.append(now_s - float(came.split(stamp)[1].split(b'"')[0]))
            if not came or stamp in came:
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
    return delays_s


if __name__ == "__main__":
    main()
