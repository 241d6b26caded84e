"""What the chaos tests look at: who was told what, and what the feed says."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from contract.states import State
from store import feed

if TYPE_CHECKING:
    from service import Service

    from client import Job, TranslationClient

VIDEO = "https://example.com/talk.mp4"


def ends(service: Service, client_id: str = "default") -> Counter[str]:
    """Count the final states that the feed has for each job."""
    changes = [each.job for each in feed.read(service.connection(), client_id, count=100_000)]
    for job_id in {job.job_id for job in changes}:
        seqs = [job.seq for job in changes if job.job_id == job_id]
        assert seqs == list(range(1, len(seqs) + 1))
    return Counter(job.job_id for job in changes if job.done)


def running(client: TranslationClient) -> int:
    return sum(job.state is State.RUNNING for job in client.jobs())


class Waiters:
    """One thread per job, each waiting by the best road; `ends` has what they were told."""

    def __init__(self, client: TranslationClient, jobs: list[Job]) -> None:
        self.ends: dict[str, Job] = {}
        self._threads = [threading.Thread(target=self._wait, args=(client, job.job_id)) for job in jobs]
        for thread in self._threads:
            thread.start()

    def _wait(self, client: TranslationClient, job_id: str) -> None:
        self.ends[job_id] = client.wait(job_id, timeout=100, raise_on_failure=False)

    def join(self) -> dict[str, Job]:
        for thread in self._threads:
            thread.join()
        return self.ends
