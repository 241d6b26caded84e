"""What the service expects of its jobs: learned with each that ends, read at most once a second per process."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar, cast

import redis
from redis.client import Pipeline

from contract.job import Eta, Job

from . import keys
from .durations import Past, Sample
from .forecast import Traffic, forecast, places
from .records import Record
from .workers import count_slots

T = TypeVar("T")

KEPT: Final = 250
"""Samples of one kind: enough for quantiles within a few percent, and a law that changes is learned anew."""
KEPT_S: Final = 30 * 86_400
FRESH: Final = timedelta(seconds=1)
"""How long a process relies on what it has read."""


@dataclass(slots=True)
class _Kept(Generic[T]):
    """Something that was read at `at`, before which it is as good as unread."""

    value: T
    at: datetime | None = None


class Outlook:
    """Learns what jobs take, and tells when those that go on will end. `clock` returns aware UTC times.

    Jobs whose submitter has prescribed a simulated course are a kind of their own: they tell nothing about others.
    """

    def __init__(self, connection: redis.Redis, clock: Callable[[], datetime]) -> None:
        self._redis, self._clock = connection, clock
        self._rows: dict[bool, _Kept[list[bytes]]] = {}
        self._pasts: dict[bool, Past | None] = {}
        self._traffic = _Kept(Traffic())
        self._places: dict[tuple[bool, float | None], str] = {}  # as long as nothing else is known

    def told(self, record: Record) -> Job:
        """Return the job with its eta."""
        eta = self.eta(record.job, record.simulate)
        return record.job if eta is None else replace(record.job, eta=eta)

    def eta(self, job: Job, simulate: dict[str, Any] | None) -> Eta | None:
        """Return when the job will end; None if it is final, or nothing is known of its kind."""
        if job.done:
            return None
        past = self._past(simulated=bool(simulate))
        if past is None:
            return None
        traffic = self._read_traffic() if job.position is not None else Traffic()
        return forecast(past, job, self._clock(), traffic)

    def known(self, simulate: dict[str, Any] | None) -> Past | None:
        """Return what was read last of jobs of this kind; Redis is not asked."""
        return self._pasts.get(bool(simulate))

    def places(self, job: Job, simulate: dict[str, Any] | None) -> str:
        """Return what advance.lua tells the eta by of a job that enters the queue: a few places, and their etas.

        Where the job will stand, only the script knows. Four numbers for each: the place, and the quantiles in seconds.
        """
        past = self._past(simulated=bool(simulate))
        if past is None:
            return ""
        traffic, kind = self._read_traffic(), (bool(simulate), job.video_duration_s)
        if kind not in self._places:
            known = places(past, job, self._clock(), traffic)
            self._places[kind] = " ".join(f"{at} {eta.p10_s} {eta.p50_s} {eta.p90_s}" for at, eta in known)
        return self._places[kind]

    def learn(self, pipe: Pipeline, sample: Sample, simulate: dict[str, Any] | None) -> None:
        """Add to `pipe` what keeps the sample: of a job's end, to be written with it and only once."""
        key = keys.durations(simulated=bool(simulate))
        pipe.lpush(key, sample.encode())
        pipe.ltrim(key, 0, KEPT - 1)
        pipe.expire(key, KEPT_S)

    def _past(self, *, simulated: bool) -> Past | None:
        kept = self._rows.setdefault(simulated, _Kept([]))
        if self._is_due(kept):
            rows = cast("list[bytes]", self._redis.lrange(keys.durations(simulated=simulated), 0, -1))
            if rows != kept.value:
                self._places.clear()
                samples = [sample for row in rows if (sample := _readable(row))]
                self._pasts[simulated] = Past(samples) if samples else None
            kept.value = rows
        return self._pasts.get(simulated)

    def _read_traffic(self) -> Traffic:
        if self._is_due(self._traffic):
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.zcard(keys.QUEUED)
                pipe.zcard(keys.RUNNING)
                queued, running = pipe.execute()
            self._traffic.value = Traffic(queued, running, count_slots(self._redis))
            self._places.clear()
        return self._traffic.value

    def _is_due(self, kept: _Kept[Any]) -> bool:
        """Whether to read it again. Who is told so has to: meanwhile others go on with what there is."""
        now = self._clock()
        if kept.at is not None and timedelta(0) <= now - kept.at < FRESH:
            return False
        kept.at = now
        return True


def _readable(row: bytes) -> Sample | None:
    try:
        return Sample.parse(row)
    except (TypeError, ValueError):
        return None  # of another version: the next jobs to end will write what can be read
