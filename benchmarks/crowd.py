"""Thousands of waits in one client process, against one API process: memory, connections, requests, delay, losses."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from contract.job import Job, Output
from contract.states import State
from store.ledger import Ledger
from store.records import now_utc
from store.runs import Run, RunStore
from store.settings import StoreSettings

from .figures import Load, bar, ms, quantile, table, title
from .house import House, house

CROWD: Final = 5000
MANY: Final = 1000
ENDS_PER_S: Final = 400
"""How fast the jobs end: one process ends them through the store, and the client has to keep up on the same cores."""
MOST_REQUESTS: Final = 12
MOST_RSS: Final = 60e6
"""What the wait adds to the process, the libraries that it loads when first needed included."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What so many waits have cost."""

    waits: int
    lost: int
    rss_before: int
    rss_peak: int
    redis_connections: int
    http_connections: int
    requests: int
    retries: int
    delays_s: list[float]

    @property
    def rss_cost(self) -> int:
        """What they have added to the memory of a process that had imported the client, in bytes."""
        return self.rss_peak - self.rss_before

    def row(self, name: str) -> tuple[str, ...]:
        """Write it as a line of the table."""
        p50, p99, most = (ms(quantile(self.delays_s, share)) for share in (0.5, 0.99, 1))
        rss = f"{self.rss_before / 1e6:.0f} MB", f"{self.rss_peak / 1e6:.0f} MB"
        return (
            name,
            *rss,
            str(self.redis_connections),
            str(self.http_connections),
            f"{self.requests} ({self.retries})",
            p50,
            p99,
            most,
            str(self.lost),
        )


WAYS: Final = (
    (f"`await wait`, {CROWD} times, by Redis", "await wait", CROWD, True),
    (f"`await wait`, {CROWD} times, no Redis offered", "await wait", CROWD, False),
    (f"`wait_all` of {MANY}, by Redis", "wait_all", MANY, True),
    (f"`await wait_all` of {MANY}, by Redis", "await wait_all", MANY, True),
)


def run() -> bool:
    load = Load()
    crowds = {name: _measure(way, waits, tells=tells) for name, way, waits, tells in WAYS}
    title("Thousands of waits in one process, one API process")
    head = (
        "waits",
        "RSS before",
        "RSS peak",
        "Redis connections",
        "HTTP connections",
        "HTTP requests (retries)",
        "delay: p50",
        "p99",
        "max",
        "lost",
    )
    table(head, [crowd.row(name) for name, crowd in crowds.items()])
    print(f"{load.words()} The jobs end at {ENDS_PER_S} a second.")
    many = [crowd for crowd in crowds.values() if crowd.waits == MANY]
    met = (
        bar("none is lost", is_met=not any(crowd.lost for crowd in crowds.values())),
        bar(
            f"{MANY} jobs in one wait cost one connection to Redis",
            is_met=all(each.redis_connections == 1 for each in many),
        ),
        bar(f"and at most {MOST_REQUESTS} HTTP requests", is_met=all(each.requests <= MOST_REQUESTS for each in many)),
        bar(f"and under {MOST_RSS / 1e6:.0f} MB of memory", is_met=all(each.rss_cost < MOST_RSS for each in many)),
    )
    return all(met)


def _measure(way: str, waits: int, *, tells: bool) -> Crowd:
    with house(workers=0, tells=tells) as home:
        runs = _begin(home, waits)
        order = {"job_ids": [each.job.job_id for each in runs], "url": home.url, "way": way}
        with _client(order) as (client, hear):
            hear()  # all wait
            redis_connections = sum(int(each["sub"]) > 0 for each in home.redis.client_list())
            http_connections = _connections(client.pid, urlsplit(home.url).port)
            _end(runs)
            found = hear()
        return Crowd(
            waits=waits,
            lost=waits - found["ended"],
            rss_before=found["rss_before"],
            rss_peak=found["rss_peak"],
            redis_connections=redis_connections,
            http_connections=http_connections,
            requests=found["requests"],
            retries=found["retries"],
            delays_s=found["delays_s"],
        )


@contextmanager
def _client(order: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[str], Callable[[], dict[str, Any]]]]:
    """Start a client with an order; give what reads its next line. Ends it."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.crowd_client"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        try:
            if client.stdin is None or client.stdout is None:
                raise AssertionError("it has pipes")
            client.stdin.write(json.dumps(order) + "\n")
            client.stdin.flush()
            lines = client.stdout

            def hear() -> dict[str, Any]:
                words: dict[str, Any] = json.loads(lines.readline())
                return words

            yield client, hear
        finally:
            client.kill()


def _connections(pid: int, port: int | None) -> int:
    """Count the connections of a process to a port of this machine."""
    found = psutil.Process(pid).net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.raddr.port == port for each in found)


def _begin(home: House, count: int) -> list[Run]:
    """Make so many jobs, and start them as a worker would."""
    ledger = Ledger(home.redis, StoreSettings(redis_url=home.redis_url, lease_s=3600))
    store, runs = RunStore(ledger), []
    for number in range(count):
        at = now_utc()
        job = Job(
            job_id=f"0192f0c1-2345-7000-8000-{number:012d}",
            client_id="default",
            state=State.QUEUED,
            seq=1,
            video_url="https://example.com/talk.mp4",
            created_at=at,
            updated_at=at,
        )
        ledger.create(job, fingerprint="f" * 64, simulate=None)
        run = store.start(job.job_id)
        if run is None:
            raise AssertionError("nobody else takes jobs here")
        runs.append(run)
    return runs


def _end(runs: list[Run]) -> None:
    """End all jobs, evenly."""
    began_s = monotonic()
    for number, each in enumerate(runs):
        sleep(max(0.0, began_s + number / ENDS_PER_S - monotonic()))
        each.complete(Output(video_url="https://example.com/es.mp4", captions_url="https://example.com/es.vtt"))
