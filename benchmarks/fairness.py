"""How long jobs wait beside somebody's ten thousand: by client and priority, in turns and first come, first served."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Final, Protocol

import redis

from contract.job import Job, Output, Priority
from contract.states import State
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

from .bare import bare
from .figures import bar, quantile, table, title

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
SLOTS: Final = 50
LOW_S, HIGH_S = 5.0, 15.0
FLOOD: Final = 10_000
LASTS_S: Final = 900.0
"""For so long others submit; then what they have submitted is waited for."""
LIMIT: Final = 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job that somebody submits."""

    job_id: str
    who: str
    at_s: float
    priority: Priority
    run_s: float

    @property
    def kind(self) -> tuple[str, str]:
        """The group of clients, and the priority."""
        return self.who.partition(" ")[0], self.priority.value


class Queue(Protocol):
    """What decides who is next."""

    def put(self, arrival: Arrival) -> None: ...
    def take(self, at_s: float) -> str | None: ...
    def end(self, job_id: str, at_s: float) -> None: ...


class FirstCome:
    """First come, first served: RQ's own order."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()

    def put(self, arrival: Arrival) -> None:
        self._waiting.append(arrival.job_id)

    def take(self, at_s: float) -> str | None:  # noqa: ARG002 - it is told, and needs none
        return self._waiting.popleft() if self._waiting else None

    def end(self, job_id: str, at_s: float) -> None:
        """Nobody waits for an end."""


class InTurns:
    """The store itself, on a real Valkey, with a clock that is told."""

    def __init__(self, connection: redis.Redis, settings: StoreSettings) -> None:
        connection.flushall()
        self._now = EPOCH
        self._ledger = Ledger(connection, settings, lambda: self._now)
        self._runs = RunStore(self._ledger)
        self._running: dict[str, Run] = {}

    def put(self, arrival: Arrival) -> None:
        self._tell(arrival.at_s)
        job = Job(
            job_id=arrival.job_id,
            client_id=arrival.who.replace(" ", "-"),
            state=State.QUEUED,
            seq=1,
            video_url="https://example.com/talk.mp4",
            priority=arrival.priority,
            created_at=self._now,
            updated_at=self._now,
        )
        self._ledger.create(job, fingerprint="f", simulate=None)

    def take(self, at_s: float) -> str | None:
        self._tell(at_s)
        popped = self._ledger.redis.lpop(self._ledger.turns.queue.key)
        run = self._runs.start(popped.decode()) if isinstance(popped, bytes) else None
        if run is None:
            return None
        self._running[run.job.job_id] = run
        return run.job.job_id

    def end(self, job_id: str, at_s: float) -> None:
        self._tell(at_s)
        self._running.pop(job_id).complete(Output(video_url="v", captions_url="c"))

    def _tell(self, at_s: float) -> None:
        self._now = EPOCH + timedelta(milliseconds=round(at_s * 1000))


def run() -> bool:
    arrivals = list(_arrivals(Random(1)))  # noqa: S311
    with bare() as connection:
        found = {
            "first come": _waits(arrivals, FirstCome()),
            "in turns": _waits(arrivals, InTurns(connection, StoreSettings())),
            f"at most {LIMIT} running": _waits(arrivals, InTurns(connection, StoreSettings(client_running=LIMIT))),
        }
    title(
        f"Seconds that jobs wait: {SLOTS} slots, jobs of U({LOW_S:g},{HIGH_S:g}) s, "
        f"one client with {FLOOD:,} at once (p50 / p95 / max)"
    )
    kinds = sorted({each.kind for each in arrivals})
    rows = [
        (
            f"{who}, {priority}",
            sum(each.kind == (who, priority) for each in arrivals),
            *(_words(arrivals, waits, (who, priority)) for waits in found.values()),
        )
        for who, priority in kinds
    ]
    table(("client, priority", "jobs", *found), rows)
    fair = found["in turns"]
    worst = max(fair[each.job_id] for each in arrivals if each.kind == ("single", "default"))
    return bar(f"a single job waits for one job of the flood's at most ({worst:.1f} s)", is_met=worst < HIGH_S)


def _arrivals(dice: Random) -> Iterator[Arrival]:
    """A flood; ten clients with a job now and then; one with urgent ones; one with 300 that have time."""
    numbers = count()

    def of(who: str, at_s: float, priority: Priority = Priority.DEFAULT) -> Arrival:
        return Arrival(f"j{next(numbers)}", who, at_s, priority, dice.uniform(LOW_S, HIGH_S))

    yield from (of("flood", 0.0) for _ in range(FLOOD))
    yield from (of("patient", 10.0, Priority.LOW) for _ in range(300))
    for at_s in range(20, int(LASTS_S), 20):
        yield of(f"single {at_s // 20 % 10}", at_s + dice.random())
        yield of("urgent", at_s + dice.random(), Priority.HIGH)
        yield of("flood", at_s + dice.random(), Priority.HIGH)


def _waits(arrivals: list[Arrival], queue: Queue) -> dict[str, float]:
    """Return how long each job has waited when it began; those of the flood that have not are left out."""
    coming = deque(sorted(arrivals, key=lambda each: each.at_s))
    known = {each.job_id: each for each in arrivals}
    awaited = {each.job_id for each in arrivals if each.at_s > 0}
    ends: list[tuple[float, str]] = []
    waits: dict[str, float] = {}
    while awaited:
        if coming and (not ends or coming[0].at_s <= ends[0][0]):
            now_s = coming[0].at_s
            queue.put(coming.popleft())
        else:
            now_s, ended = heapq.heappop(ends)
            queue.end(ended, now_s)
        while len(ends) < SLOTS and not (coming and coming[0].at_s <= now_s) and (job_id := queue.take(now_s)):
            waits[job_id] = now_s - known[job_id].at_s
            awaited.discard(job_id)
            heapq.heappush(ends, (now_s + known[job_id].run_s, job_id))
    return waits


def _words(arrivals: list[Arrival], waits: dict[str, float], kind: tuple[str, str]) -> str:
    found = [waits[each.job_id] for each in arrivals if each.kind == kind and each.job_id in waits]
    missing = sum(each.kind == kind for each in arrivals) - len(found)
    words = " / ".join(f"{quantile(found, share):.1f}" for share in (0.5, 0.95, 1.0))
    return words + (f", {missing} not yet begun" if missing else "")
