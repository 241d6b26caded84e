"""Waited waits: the client's own plan on a clock that only pauses move, and the client itself in real time."""

import heapq
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic, sleep
from typing import Final, Self

from client import JobMetrics, TranslationClient
from client.driver import drive, finish
from client.http import Answer
from client.patience import Push
from client.steps import Pause, Reply, Send, Step
from client.waiting import Terms, wait
from contract.job import Job, Output
from contract.states import State
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

from .house import House

VIRTUAL: Final = 10_000
REAL: Final = 40
SHORTEST_S, LONGEST_S = 5.0, 15.0
RETRY_AFTER_S: Final = 1.0
"""What the API says with every job that is not done."""
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Waited:
    """One wait: how many times it asked for the job's status, and how long after its end it knew."""

    requests: int
    delay_s: float

    @classmethod
    def of(cls, share: JobMetrics) -> Self:
        """Read it from a client's metrics, which count the submit as well."""
        if share.knowing_delay_s is None:
            raise ValueError("this client does not know the job's end")
        return cls(share.requests - 1, share.knowing_delay_s)


class VirtualService:
    """One job that runs for `seconds`, and a client's driver: asking takes no time, pausing moves the clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._now_s, self._requests = seconds, 0.0, 0
        running = Job(
            job_id="job",
            client_id="default",
            state=State.RUNNING,
            seq=2,
            video_url="https://example.com/talk.mp4",
            created_at=EPOCH,
            updated_at=EPOCH,
        )
        finished_at = EPOCH + timedelta(seconds=seconds)
        self._documents = running, replace(running, state=State.COMPLETED, seq=3, finished_at=finished_at)

    def __call__(self, step: Step) -> Reply:
        """Do what the plan says next."""
        answer: Answer[Job] = Answer()
        match step:
            case Send():
                self._requests += 1
                done = self._now_s >= self._seconds
                answer = Answer(value=self._documents[done], retry_after_s=0.0 if done else RETRY_AFTER_S)
            case Pause(seconds):
                self._now_s += seconds
        return Reply(at_s=self._now_s, answer=answer)

    def wait(self, rng: Random) -> Waited:
        """Wait for the job as `poll_status` does."""
        plan = wait(Terms(job_id="job", push=Push.NEVER), self._now_s, rng.random)
        finish(drive(plan, self), None)
        return Waited(self._requests, self._now_s - self._seconds)


def on_a_virtual_clock() -> list[Waited]:
    """Wait for many jobs of U(5,15) s, in no time."""
    rng = Random(1)  # noqa: S311
    return [VirtualService(rng.uniform(SHORTEST_S, LONGEST_S)).wait(rng) for _ in range(VIRTUAL)]


def on_a_real_service(home: House) -> list[Waited]:
    """Wait for some jobs at once, in real time, through the real API.

    Forty stock workers are too many for two cores, so one thread starts and ends the jobs, by a worker's own calls.
    """
    rng = Random(2)  # noqa: S311
    with TranslationClient(home.url) as client, ThreadPoolExecutor(REAL + 1) as pool:
        job_ids = [client.submit("https://example.com/talk.mp4").job_id for _ in range(REAL)]
        work = pool.submit(_work, home, job_ids, rng)
        waits = [pool.submit(client.poll_status, job_id, timeout=60) for job_id in job_ids]
        work.result()
        for each in waits:
            each.result()
        return [Waited.of(client.metrics.jobs[job_id]) for job_id in job_ids]


def _work(home: House, job_ids: Sequence[str], rng: Random) -> None:
    """Run all jobs at once, each for U(5,15) s."""
    store = RunStore(Ledger(home.redis, StoreSettings(redis_url=home.redis_url, lease_s=60)))
    ends: list[tuple[float, str, Run]] = []
    for job_id in job_ids:
        run = store.start(job_id)
        if run:
            ends.append((monotonic() + rng.uniform(SHORTEST_S, LONGEST_S), job_id, run))
    heapq.heapify(ends)
    while ends:
        at_s, job_id, run = heapq.heappop(ends)
        sleep(max(0.0, at_s - monotonic()))
        run.complete(
            Output(video_url=f"https://example.com/{job_id}.mp4", captions_url=f"https://example.com/{job_id}")
        )
