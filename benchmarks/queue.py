"""What a job costs in a queue of a hundred, and of a hundred thousand: to put, read, list, take, end and cancel.

In CPU time, of Valkey and of the process that calls. What the caller does is the same for every queue, so Valkey's part
is measured by it: both are twice as slow while others are busy.
"""

from collections.abc import Callable
from time import process_time
from typing import Any, Final

from contract.job import Job, Output, Priority
from contract.states import State
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger, New
from store.records import now_utc
from store.runs import Run, RunStore
from store.settings import StoreSettings

from .bare import bare
from .figures import bar, ms, table, title

LENGTHS: Final = (100, 1_000, 10_000, 100_000)
TRIES: Final = 200
CLIENTS: Final = 10
TOGETHER: Final = 200
BOUND: Final = 1.5
"""So many times its part in the shortest queue, Valkey's may be in the longest."""


class Store:
    """A store with a queue of a growing length, and clients that have their share of it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.jobs, self.runs = ledger, JobStore(ledger), RunStore(ledger)
        self.made = 0
        self._taken: list[Run] = []

    def new(self, priority: Priority = Priority.DEFAULT) -> Job:
        self.made += 1
        at = now_utc()
        return Job(
            job_id=f"j{self.made}",
            client_id=f"c{self.made % CLIENTS}",
            state=State.QUEUED,
            seq=1,
            video_url="https://example.com/talk.mp4",
            priority=priority,
            created_at=at,
            updated_at=at,
        )

    def grow(self, length: int) -> None:
        while (missing := length - self.ledger.redis.zcard(keys.QUEUED)) > 0:
            self.ledger.create_many(New(self.new(), "f") for _ in range(min(missing, TOGETHER)))

    def put(self, priority: Priority = Priority.DEFAULT) -> Job:
        return self.ledger.create(self.new(priority), fingerprint="f", simulate=None)

    def take(self) -> None:
        popped = self.ledger.redis.lpop(self.ledger.turns.queue.key)
        run = self.runs.start(popped.decode()) if isinstance(popped, bytes) else None
        if run is None:
            raise RuntimeError("there was nothing to take")
        self._taken.append(run)

    def end(self) -> None:
        self._taken.pop().complete(Output(video_url="v", captions_url="c"))


def run() -> bool:
    rows: dict[str, list[tuple[float, float]]] = {}
    with bare() as connection:
        store = Store(Ledger(connection, StoreSettings()))
        for length in LENGTHS:
            store.grow(length)
            for name, spent_s in _measure(store).items():
                rows.setdefault(name, []).append(spent_s)
    title(f"CPU time of a call, of Valkey + of its caller, by the number of queued jobs of {CLIENTS} clients")
    head = ("call", *(f"{length:,}" for length in LENGTHS))
    table(head, [(name, *(f"{ms(its)} + {ms(own)}" for its, own in each)) for name, each in rows.items()])
    parts = [[its / own for its, own in each] for each in rows.values()]
    worst = max(each[-1] / each[0] for each in parts)
    return bar(f"Valkey's part of no call grows to {BOUND:g} times as much ({worst:.2f})", is_met=worst < BOUND)


def _measure(store: Store) -> dict[str, tuple[float, float]]:
    """Return seconds per call, of Valkey and of this process."""
    last: list[Job] = []

    def timed(call: Callable[[], object]) -> tuple[float, float]:
        its_s, own_s = _spent(store), process_time()
        for _ in range(TRIES):
            call()
        own_s, its_s = process_time() - own_s, _spent(store) - its_s
        return its_s / TRIES, own_s / TRIES

    return {
        "create, at the end": timed(lambda: last.append(store.put())),
        "create, urgent: into RQ's list": timed(lambda: store.put(Priority.HIGH)),
        "read one, with its position": timed(lambda: store.jobs.read(last[0].job_id, last[0].client_id)),
        "list 50 that are queued": timed(lambda: store.jobs.list("c0", state=State.QUEUED, limit=50)),
        "pop and start": timed(store.take),
        "complete": timed(store.end),
        "cancel in the queue": timed(lambda: _cancel(store, last.pop())),
    }


def _cancel(store: Store, job: Job) -> None:
    store.jobs.cancel(job.job_id, job.client_id)


def _spent(store: Store) -> float:
    """Return the CPU seconds that Valkey has used so far."""
    found: Any = store.ledger.redis.info("cpu")
    return float(found["used_cpu_user"] + found["used_cpu_sys"])
