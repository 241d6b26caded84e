"""Guarded writes per second, from one process and from two, beside a bare MULTI and RQ's own enqueue."""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, Final

from rq import Queue
from rq.serializers import JSONSerializer

from contract import moves
from contract.job import Job
from contract.states import State
from store import keys
from store.ledger import Ledger
from store.records import Record, fetch, now_utc
from store.settings import StoreSettings, connect

from .figures import Load, ms, quantile, rate, table, title
from .house import house

ROUNDS: Final = 3
WRITES: Final = 600
"""Writes of each kind, per process and round."""
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One process's share of one round: seconds in all, and of each write."""

    kind: str
    took_s: float
    times_s: list[float]

    @property
    def rate(self) -> float:
        """Writes per second."""
        return len(self.times_s) / self.took_s


class Writer:
    """Prepares writes of each kind, to be timed one by one."""

    def __init__(self, redis_url: str, name: str) -> None:
        self.redis = connect(redis_url)
        self._ledger = Ledger(self.redis, StoreSettings(redis_url=redis_url))
        self._queue = Queue("elsewhere", connection=self.redis, serializer=JSONSerializer)
        self._name, self._made = name, 0
        self.kinds: dict[str, Callable[[], list[Callable[[], object]]]] = {
            "MULTI: HSET, PUBLISH": self._bare,
            "`ledger.move`: progress of one run": self._progress,
            "`ledger.move`: start": self._starts,
            "`ledger.create`, RQ's enqueue in it": self._creates,
            "RQ's own `queue.enqueue`": self._enqueues,
        }

    def _bare(self) -> list[Callable[[], object]]:
        text = "x" * 700  # as long as a document

        def write() -> None:
            with self.redis.pipeline() as pipe:
                pipe.hset(f"bare:{self._name}", "document", text)
                pipe.publish(f"bare:{self._name}", text)
                pipe.execute()

        return [write] * WRITES

    def _creates(self) -> list[Callable[[], object]]:
        return [partial(self._create, job) for job in self._new_jobs()]

    def _starts(self) -> list[Callable[[], object]]:
        jobs = self._new_jobs()
        for job in jobs:
            self._create(job)
        records = [record for record in fetch(self.redis, [keys.ref_of(job) for job in jobs]) if record]
        return [partial(self._start, record) for record in records]

    def _progress(self) -> list[Callable[[], object]]:
        first = self._new_jobs()[0]
        self._create(first)
        (queued,) = fetch(self.redis, [keys.ref_of(first)])
        if queued is None:
            raise RuntimeError("a job has vanished")
        record = self._start(queued)

        def write() -> None:
            nonlocal record
            progress = record.job.seq / (WRITES + 10)
            job = moves.advance(record.job, now_utc(), stage="voice", progress=progress)
            record = self._ledger.move(record, job)

        return [write] * WRITES

    def _enqueues(self) -> list[Callable[[], object]]:
        return [lambda: self._queue.enqueue("time.sleep", 0)] * WRITES

    def _start(self, queued: Record) -> Record:
        return self._ledger.move(queued, moves.start(queued.job, now_utc()))

    def _create(self, job: Job) -> None:
        self._ledger.create(job, fingerprint="f" * 64, simulate=None)

    def _new_jobs(self) -> list[Job]:
        self._made += WRITES
        at = now_utc()
        return [_job(f"{self._name}-{number}", at) for number in range(self._made - WRITES, self._made)]


def run() -> bool:
    with house(workers=0) as home:
        load = Load()
        alone = _measure(home.redis_url, 1)
        together = _measure(home.redis_url, 2)
        busy = load.words()
    title(f"Writes per second, {ROUNDS} rounds of {WRITES} per process")
    head = ("write", "1 process: writes/s (least to most)", "p50", "p99", "2 processes: writes/s", "p50", "p99")
    table(head, [(kind, *_cells(alone[kind]), *_cells(together[kind])) for kind in alone])
    print(busy)
    kinds = list(alone)
    share = _median_rate(alone[kinds[1]]) / _median_rate(alone[kinds[0]])
    print(f"A guarded progress move has {share:.2f} times the rate of the bare MULTI.")
    share = _median_rate(alone[kinds[3]]) / _median_rate(alone[kinds[4]])
    print(f"A create has {share:.2f} times the rate of RQ's own enqueue, which it contains.")
    return True  # there is no bar, and a write that is refused raises


def _measure(redis_url: str, processes: int) -> dict[str, list[list[Measured]]]:
    """Let so many processes write at the same time; return for each kind its rounds, each a list of their shares."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    writers = [
        context.Process(target=_write, args=(redis_url, f"w{processes}-{number}", barrier, results), daemon=True)
        for number in range(processes)
    ]
    for each in writers:
        each.start()
    try:
        found = [results.get(timeout=PATIENCE_S) for _ in writers]
    finally:
        for each in writers:
            each.terminate()
            each.join(PATIENCE_S)
    rounds: dict[str, list[list[Measured]]] = {}
    for shares in zip(*found, strict=True):
        rounds.setdefault(shares[0].kind, []).append(list(shares))
    return rounds


def _write(redis_url: str, name: str, barrier: Any, results: Any) -> None:
    """Be one of the writing processes."""
    writer = Writer(redis_url, name)
    measured = []
    for _ in range(ROUNDS):
        for kind, prepare in writer.kinds.items():
            writes = prepare()
            barrier.wait(PATIENCE_S)
            measured.append(_timed(kind, writes))
    results.put(measured)


def _timed(kind: str, writes: list[Callable[[], object]]) -> Measured:
    times_s = []
    began_s = last_s = perf_counter()
    for write in writes:
        write()
        now_s = perf_counter()
        times_s.append(now_s - last_s)
        last_s = now_s
    return Measured(kind, last_s - began_s, times_s)


def _rates(rounds: list[list[Measured]]) -> list[float]:
    return [sum(share.rate for share in shares) for shares in rounds]


def _median_rate(rounds: list[list[Measured]]) -> float:
    return quantile(_rates(rounds), 0.5)


def _cells(rounds: list[list[Measured]]) -> tuple[str, str, str]:
    times_s = [each for shares in rounds for share in shares for each in share.times_s]
    return rate(_rates(rounds)), ms(quantile(times_s, 0.5)), ms(quantile(times_s, 0.99))


def _job(job_id: str, at: datetime) -> Job:
    return Job(
        job_id=job_id,
        client_id="default",
        state=State.QUEUED,
        seq=1,
        video_url="https://example.com/talk.mp4",
        title="A talk",
        target_language="es",
        created_at=at,
        updated_at=at,
    )
