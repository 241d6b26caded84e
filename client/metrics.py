"""What a client's work has cost, counted as it happens; safe to read and write from any thread."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from contract.job import Job

from .histogram import Histogram
from .http import Kind
from .summary import JobMetrics, Summary

MOST_JOBS: Final = 10_000  # a client may live for months: the oldest are forgotten


class Metrics:
    """Counts of one client since it was made; `print(client.metrics.summary())` shows all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: Counter[Kind] = Counter()
        self._retries = self._messages = self._successes = 0
        self._responses, self._held, self._knowing = Histogram(), Histogram(), Histogram()
        self._jobs: OrderedDict[str, JobMetrics] = OrderedDict()

    @property
    def requests(self) -> int:
        """HTTP requests that were sent, whatever came of them."""
        with self._lock:
            return self._kinds.total()

    @property
    def requests_by_kind(self) -> Mapping[str, int]:
        """The same, by what each was for, as in `submit`, `read` and `read_many`."""
        with self._lock:
            return _by_name(self._kinds)

    @property
    def retries(self) -> int:
        """Those that were sent because the one before them got no usable answer."""
        return self._retries

    @property
    def messages(self) -> int:
        """Messages that were pushed."""
        return self._messages

    @property
    def mean_response_s(self) -> float:
        """Mean seconds to an answer, of the requests that got one and were not held; 0.0 before the first."""
        with self._lock:
            return self._responses.mean_s

    @property
    def p95_response_s(self) -> float:
        """What 95 % of those answers did not take longer than, in seconds, within 2.5 %; 0.0 before the first."""
        with self._lock:
            return self._responses.quantile_s(0.95)

    @property
    def success_rate(self) -> float:
        """Share of the requests that were answered below 400; 1.0 before the first."""
        with self._lock:
            return self._success_rate()

    @property
    def jobs(self) -> Mapping[str, JobMetrics]:
        """Each job's share, as it is now."""
        with self._lock:
            return MappingProxyType(dict(self._jobs))

    def summary(self) -> Summary:
        """Return all figures as they are now."""
        with self._lock:
            return Summary(
                requests=self._kinds.total(),
                requests_by_kind=_by_name(self._kinds),
                retries=self._retries,
                messages=self._messages,
                success_rate=self._success_rate(),
                mean_response_s=self._responses.mean_s,
                p95_response_s=self._responses.quantile_s(0.95),
                held=self._held.count,
                mean_held_s=self._held.mean_s,
                known=self._knowing.count,
                mean_knowing_delay_s=self._knowing.mean_s,
                p95_knowing_delay_s=self._knowing.quantile_s(0.95),
                jobs=dict(self._jobs),
            )

    def count_request(
        self, kind: Kind, job_id: str | None, *, is_retry: bool, took_s: float, status: int | None
    ) -> None:
        """Count one request; `status` is None where no answer came."""
        with self._lock:
            self._kinds[kind] += 1
            self._retries += is_retry
            if status is not None:
                (self._held if kind.is_held else self._responses).add(took_s)
                self._successes += status < 400  # noqa: PLR2004 - HTTP's own border
            if job_id is not None:
                share = self._share(job_id)
                self._jobs[job_id] = replace(share, requests=share.requests + 1)

    def count_message(self) -> None:
        """Count one pushed message."""
        with self._lock:
            self._messages += 1

    def count_knowing(self, job: Job, now: datetime) -> None:
        """Note that a wait knows the end of `job`; the first to know counts."""
        if job.finished_at is None:
            return
        with self._lock:
            share = self._share(job.job_id)
            if share.knowing_delay_s is None:
                delay_s = (now - job.finished_at).total_seconds()
                self._knowing.add(delay_s)
                self._jobs[job.job_id] = replace(share, knowing_delay_s=delay_s)

    def forget_knowing(self, job_id: str) -> None:
        """The job begins again: its next end is news."""
        with self._lock:
            self._jobs[job_id] = replace(self._share(job_id), knowing_delay_s=None)

    def _success_rate(self) -> float:
        """Return the rate; the lock is held."""
        return self._successes / self._kinds.total() if self._kinds else 1.0

    def _share(self, job_id: str) -> JobMetrics:
        """Return the job's share, made if need be; the lock is held."""
        share = self._jobs.setdefault(job_id, JobMetrics())
        self._jobs.move_to_end(job_id)
        if len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)
        return share


def _by_name(kinds: Mapping[Kind, int]) -> dict[str, int]:
    return {kind.value: count for kind, count in kinds.items()}
