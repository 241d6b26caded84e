"""Of whom there has been no news for far longer than was promised. Pure: told what is heard and when."""

import heapq
import math
from typing import Final

from contract.job import Job

from .schedule import Remaining

WARN_FACTOR: Final = 3
"""Silence is worth a word when it has lasted so many times as long as the whole job should have taken."""

LEAST_WARN_S: Final = 3.0


class Stalls:
    """The silences of one wait's jobs."""

    def __init__(self) -> None:
        self._silent: dict[str, tuple[float, Job]] = {}  # by when each is worth a word
        self._order: list[tuple[float, str]] = []  # of those moments, and of such as are over

    def hear(self, job: Job, at_s: float) -> None:
        """Take note of news: of this job's next silence, if there is a promise to hold it against."""
        self._silent.pop(job.job_id, None)
        if job.done or job.eta is None or Remaining.of(job.eta) is None:
            return
        due_s = at_s + max(WARN_FACTOR * job.eta.p90_s, LEAST_WARN_S)
        self._silent[job.job_id] = due_s, job
        heapq.heappush(self._order, (due_s, job.job_id))

    def forget(self, job_id: str) -> None:
        """Expect no more news of a job."""
        self._silent.pop(job_id, None)

    def due_s(self) -> float:
        """Return when the next silence is worth a word; infinity if none is."""
        while self._order and self._silent.get(self._order[0][1], (math.nan,))[0] != self._order[0][0]:
            heapq.heappop(self._order)
        return self._order[0][0] if self._order else math.inf

    def take(self, now_s: float) -> Job | None:
        """Return a job whose silence is worth a word now, once for each of its silences."""
        if self.due_s() > now_s:
            return None
        _, job_id = heapq.heappop(self._order)
        return self._silent.pop(job_id)[1]
