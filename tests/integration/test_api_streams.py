"""Streams and long-polls as they run: gunicorn on a real Valkey, which may be killed and come back."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests
from service import Service, eventually, kill_tree

from contract.job import Output
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = {"video_url": "https://example.com/v.mp4"}
OUTPUT = Output(video_url="https://e.x/o", captions_url="https://e.x/c")
STREAMS = 200
STEPS = 1200

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def house() -> Iterator[Service]:
    """Run Valkey and the API; whoever ends one of them has the next one start it again."""
    with Service({"DUBQ_SIM_DURATION": "fixed:0.3"}) as running:
        running.start_valkey()
        running.start_api()
        yield running


@pytest.fixture
def service(house: Service) -> Iterator[Service]:
    assert house.api
    if house.api.poll() is not None:
        house.start_api()
    house.connection().flushall()
    yield house
    while house.workers:
        kill_tree(house.workers.pop())


def submit(service: Service, **fields: Any) -> None:
    body = BODY | {"job_id": "j1"} | fields
    assert requests.post(f"{service.url}/jobs", json=body, timeout=30).status_code == 202


def start(service: Service, job_id: str = "j1") -> Run:
    run = RunStore(Ledger(service.connection(), StoreSettings())).start(job_id)
    assert run
    return run


@contextmanager
def opened(service: Service, path: str) -> Iterator[Iterator[bytes]]:
    """Open a stream; yield its lines, save comments. It has begun when this returns."""
    with requests.get(service.url + path, stream=True, timeout=30) as answer:
        assert answer.status_code == 200
        lines = (line for line in answer.iter_lines(chunk_size=None) if line and not line.startswith(b":"))
        assert next(lines)
        yield lines


def visitors(service: Service) -> int:
    """Return how many have a connection to the API."""
    assert service.api
    api = psutil.Process(service.api.pid)
    found = [each for process in (api, *api.children()) for each in process.net_connections("tcp")]
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == service.port for each in found)


def jobs_of(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    return (json.loads(line[6:]) for line in lines if line.startswith(b"data: "))


def test_a_stream_follows_a_real_job_to_its_end_and_closes(service: Service) -> None:
    service.start_worker()
    submit(service)
    with opened(service, "/jobs/j1/events") as lines:
        told = list(jobs_of(lines))
    assert [job["seq"] for job in told] == list(range(1, len(told) + 1))
    assert (told[-1]["state"], len(told) > 3) == ("completed", True)


def test_many_streams_and_held_answers_learn_of_one_end(service: Service) -> None:
    submit(service)
    head = f"GET /jobs/j1/events HTTP/1.1\r\nHost: {service.url[7:]}\r\nConnection: close\r\n\r\n".encode()
    raws = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(STREAMS)]
    try:
        for raw in raws:
            raw.sendall(head)
        assert all(b" 200 OK" in raw.recv(65_536) for raw in raws)
        assert service.connection().pubsub_numpat() == 1
        start(service).complete(OUTPUT)
        for raw in raws:
            came = b"".join(iter(lambda raw=raw: raw.recv(65_536), b""))
            assert came.count(b'"state":"completed"') == 1
            assert came.endswith(b"0\r\n\r\n")
    finally:
        for raw in raws:
            raw.close()


def test_a_sigterm_ends_streams_and_held_answers_at_once(service: Service) -> None:
    submit(service)
    assert service.api
    with opened(service, "/jobs/j1/events") as one, opened(service, "/events") as every, ThreadPoolExecutor() as pool:
        wait = pool.submit(requests.get, f"{service.url}/jobs/j1", headers={"Prefer": "wait=60"}, timeout=30)
        eventually(wait.running, 5)
        assert next(jobs_of(one))["seq"] == 1
        service.api.send_signal(signal.SIGTERM)
        began_s = time.monotonic()
        assert list(one) == list(every) == [b"retry: 1000"]
        assert wait.result().status_code == 200
        assert time.monotonic() - began_s < 2
    assert service.api.wait(timeout=10) == 0
    assert time.monotonic() - began_s < 5
    assert "Traceback" not in service.log("api")


def test_streams_and_held_answers_outlive_a_killed_valkey(service: Service) -> None:
    submit(service)
    run = start(service)
    with opened(service, "/jobs/j1/events") as one, opened(service, "/events") as every, ThreadPoolExecutor() as pool:
        wait = pool.submit(
            requests.get, f"{service.url}/jobs/j1", headers={"Prefer": "wait=30; until=done"}, timeout=40
        )
        assert next(jobs_of(one))["seq"] == 2
        eventually(lambda: visitors(service) == 3, 10)
        # asked after it, and answered: so the first look of the one that is held is over, too
        assert requests.get(f"{service.url}/jobs/j1", timeout=30).ok
        service.valkey.stop()
        assert requests.get(f"{service.url}/jobs/j1/events", timeout=30).status_code == 503
        service.start_valkey()
        Run(Ledger(service.connection(), StoreSettings()), run.record).complete(OUTPUT)
        began_s = time.monotonic()
        assert next(jobs_of(one))["state"] == "completed"
        assert next(jobs_of(every))["state"] == "completed"
        assert wait.result().json()["state"] == "completed"
        assert time.monotonic() - began_s < 3


def test_a_reader_that_does_not_read_costs_the_others_nothing(service: Service) -> None:
    long = f"https://e.x/{'v' * 2000}"
    submit(service, video_url=long, callback_url=long, metadata={"more": "m" * 2000})
    with socket.socket() as slow:
        slow.settimeout(30)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", service.port))
        slow.sendall(b"GET /jobs/j1/events HTTP/1.1\r\nHost: a\r\n\r\n")
        told: list[int] = []
        with opened(service, "/jobs/j1/events") as lines:
            reader = threading.Thread(target=lambda: told.extend(job["seq"] for job in jobs_of(lines)))
            reader.start()
            run = start(service)
            for step in range(STEPS):  # more than all buffers in between hold
                run.advance("voice", step / STEPS)
            run.complete(OUTPUT)
            reader.join(20)
        assert told == sorted(set(told))
        assert told[-1] == run.job.seq
        came = b""
        while b'"state":"completed"' not in came:
            came += slow.recv(65_536)
        assert came.count(b"data: ") < STEPS
