"""What a client's work has cost, counted as it happens; safe to read and write from any thread."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from contract.job import Job

MOST_JOBS: Final = 10_000  # a client may live for months: the oldest are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetrics:
    """One job's share: its HTTP requests, and the seconds from its end to a wait's knowing (None: not known yet)."""

    requests: int = 0
    knowing_delay_s: float | None = None


class Metrics:
    """Counts of one client since it was made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = self._retries = self._messages = 0
        self._answers = self._successes = 0
        self._response_s = 0.0
        self._jobs: OrderedDict[str, JobMetrics] = OrderedDict()

    @property
    def requests(self) -> int:
        """HTTP requests that were sent, whatever came of them."""
        return self._requests

    @property
    def retries(self) -> int:
        """Those that were sent because the one before them got no usable answer."""
        return self._retries

    @property
    def messages(self) -> int:
        """Messages that Redis has pushed."""
        return self._messages

    @property
    def mean_response_s(self) -> float:
        """Mean seconds to an answer, of the requests that got one; 0.0 before the first."""
        with self._lock:
            return self._response_s / self._answers if self._answers else 0.0

    @property
    def success_rate(self) -> float:
        """Share of the requests that were answered below 400; 1.0 before the first."""
        with self._lock:
            return self._successes / self._requests if self._requests else 1.0

    @property
    def jobs(self) -> Mapping[str, JobMetrics]:
        """Each job's share, as it is now."""
        with self._lock:
            return MappingProxyType(dict(self._jobs))

    def count_request(self, job_id: str | None, *, is_retry: bool, took_s: float, status: int | None) -> None:
        """Count one request; `status` is None where no answer came."""
        with self._lock:
            self._requests += 1
            self._retries += is_retry
            if status is not None:
                self._answers += 1
                self._response_s += took_s
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
                self._jobs[job.job_id] = replace(share, knowing_delay_s=delay_s)

    def forget_knowing(self, job_id: str) -> None:
        """The job begins again: its next end is news."""
        with self._lock:
            self._jobs[job_id] = replace(self._share(job_id), knowing_delay_s=None)

    def _share(self, job_id: str) -> JobMetrics:
        """Return the job's share, made if need be; the lock is held."""
        share = self._jobs.setdefault(job_id, JobMetrics())
        self._jobs.move_to_end(job_id)
        if len(self._jobs) > MOST_JOBS:
            self._jobs.popitem(last=False)
        return share
