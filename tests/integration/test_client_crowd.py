"""Many waits of one client, on the real API: they share what they can, and starve nobody."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from service import Service, eventually

from client import State
from client.audience import MOST_OWN
from client.looks import MOST_HELD
from contract.job import Output
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faces import Face

CROWD = 200
SOON_S = 5.0
"""For a machine that is busy with other tests; a request that is starved waits for a minute."""
VIDEO = "https://example.com/talk.mp4"
OUTPUT = Output(video_url="https://e.x/o", captions_url="https://e.x/c")

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Run an API and a Valkey; the work is done here."""
    with Service() as running:
        running.start_valkey()
        running.start_api()
        yield running


def begin(service: Service, client: Any) -> list[Run]:
    store = RunStore(Ledger(service.connection(), StoreSettings(redis_url=service.redis_url, lease_s=3600)))
    runs = []
    for job in client.submit_many([{"video_url": VIDEO}] * CROWD):
        run = store.start(job.job_id)
        assert run
        runs.append(run)
    return runs


def connections(service: Service) -> int:
    return sum(
        each.status == psutil.CONN_ESTABLISHED and bool(each.raddr) and each.raddr.port == service.port
        for each in psutil.Process().net_connections("tcp")
    )


def crowd(service: Service, face: Face, *roads: str) -> tuple[int, Any]:
    """Wait for all by these roads, submit and cancel meanwhile; return how many connections that took, and metrics."""
    with face.connect(service.url, roads=roads) as client, ThreadPoolExecutor(CROWD) as threads:
        runs, seen = begin(service, client), set[str]()
        waits = [
            threads.submit(client.wait, run.job.job_id, on_update=lambda job: seen.add(job.job_id), timeout=60)
            for run in runs
        ]
        eventually(lambda: len(seen) == CROWD, 30)
        before_s = time.monotonic()
        other = client.submit(VIDEO)
        assert client.cancel(other.job_id).state is State.CANCELLED
        assert time.monotonic() - before_s < SOON_S
        found = connections(service)
        for run in runs:
            run.complete(OUTPUT)
        assert {wait.result().state for wait in waits} == {State.COMPLETED}
        return found, client.metrics


def test_a_crowd_that_is_told_by_events_takes_few_streams_and_bulk_reads(service: Service, face: Face) -> None:
    found, metrics = crowd(service, face, "sse")
    assert found <= MOST_OWN + 1 + 64
    assert metrics.requests_by_kind["events"] <= 2 * (MOST_OWN + 1)  # one may be lost while the machine is busy


def test_a_crowd_whose_answers_are_held_holds_few_and_polls_for_the_rest(service: Service, face: Face) -> None:
    found, _ = crowd(service, face, "long_poll")
    assert found <= MOST_HELD + 64
