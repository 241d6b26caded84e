"""Readers that never read and senders that hardly send: what they cost those who do."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import requests
from service import eventually
from stage import OUTPUT

from store.ledger import Ledger
from store.runs import RunStore
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service import Service

STUCK = 20
FILLING = 60
"""Changes of 7 kB each, one by one: more than the buffers of the system hold for a reader."""
FLOOD = 300
"""Changes after that, as fast as they come: more than wait for a reader."""
SINGLE = 20
"""Changes after that, one by one: how soon the one who reads is told."""
MOST_MB = 40
LONG = f"https://e.x/{'v' * 2000}"


def start(service: Service) -> psutil.Process:
    """Start the API in a hurry, and return the process that answers."""
    service.env["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parent}"
    service.start_valkey()
    service.start_api("hasty_app:from_env()")
    assert service.api
    (worker,) = psutil.Process(service.api.pid).children()
    return worker


def events(lines: Iterator[bytes], arrivals: dict[int, float]) -> None:
    """Note when each change has come, up to the end."""
    for line in lines:
        if line.startswith(b"data: "):
            job = json.loads(line[6:])
            arrivals[job["seq"]] = time.monotonic()
            if job["done"]:
                return


def test_readers_that_never_read_cost_nobody_anything_and_are_hung_up_on(service: Service) -> None:
    api = start(service)
    fields = {"job_id": "j1", "video_url": LONG, "callback_url": LONG, "metadata": {"more": "m" * 2000}}
    assert requests.post(f"{service.url}/jobs", json=fields, timeout=30).status_code == 202
    run = RunStore(Ledger(service.connection(), StoreSettings(lease_s=600))).start("j1")
    assert run
    with ExitStack() as stack:
        for _ in range(STUCK):
            stuck = stack.enter_context(socket.socket())
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.settimeout(30)
            stuck.connect(("127.0.0.1", service.port))
            stuck.sendall(b"GET /jobs/j1/events HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = stack.enter_context(requests.get(f"{service.url}/jobs/j1/events", stream=True, timeout=30))
        before_mb = api.memory_info().rss / 1e6
        arrivals: dict[int, float] = {}
        reader = threading.Thread(target=events, args=(answer.iter_lines(chunk_size=None), arrivals))
        reader.start()

        def tell(count: int, *, one_by_one: bool) -> list[float]:
            """Let so many changes happen; return how long after each the reader was told, where each is waited for."""
            delays_s = []
            for _ in range(count):
                run.advance("voice", 0.5)
                left_s, seq = time.monotonic(), run.job.seq
                if one_by_one:
                    eventually(lambda seq=seq: seq in arrivals, 10, pause_s=0.001)
                    delays_s.append(arrivals[seq] - left_s)
            return sorted(delays_s)

        tell(FILLING, one_by_one=True)
        tell(FLOOD, one_by_one=False)
        eventually(lambda: run.job.seq in arrivals, 10)
        delays_s = tell(SINGLE, one_by_one=True)
        assert api.memory_info().rss / 1e6 - before_mb < MOST_MB
        eventually(lambda: service.log("api").count("a reader took nothing") == STUCK, 10)
        run.complete(OUTPUT)
        reader.join(30)
        assert sorted(delays_s)[SINGLE // 2] < 0.1
        assert max(arrivals) == run.job.seq
    assert "Traceback" not in service.log("api")
    hold_up(service)


def hold_up(service: Service) -> None:
    """Send a body that takes its time; it is answered when that is over, and the line closed."""
    head = b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as slow:
        slow.sendall(head + b"{")
        came = b"".join(iter(lambda: slow.recv(65_536), b""))
    assert came.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in came
