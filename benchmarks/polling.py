"""Waited waits: the client polls the real service, in real time, once this has learned what jobs take."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from time import monotonic, sleep
from typing import Final, Self

from client import JobMetrics, TranslationClient
from contract.job import Output
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

from .house import House

WAITS: Final = 60
SHORTEST_S, LONGEST_S = 5.0, 15.0


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


def on_a_real_service(home: House, past: int) -> list[Waited]:
    """Let `past` jobs of U(5,15) s end, then wait for others.

    Forty stock workers are too many for two cores, so this thread starts and ends the jobs, by a worker's own calls.
    Their engine reports no progress. The durations are spread evenly, so that few waits stand for many.
    """
    rng = Random(2)  # noqa: S311
    store = RunStore(Ledger(home.redis, StoreSettings(redis_url=home.redis_url, lease_s=60)))
    with TranslationClient(home.url) as client, ThreadPoolExecutor(WAITS) as pool:
        _end(_begin(client, store, past, rng))
        begun = _begin(client, store, WAITS, rng)
        waits = [pool.submit(client.poll_status, run.job.job_id, timeout=60) for _, _, run in begun]
        _end(begun)
        ended = [wait.result() for wait in waits]
        return [Waited.of(client.metrics.jobs[job.job_id]) for job in ended]


def _begin(client: TranslationClient, store: RunStore, count: int, rng: Random) -> list[tuple[float, int, Run]]:
    """Submit jobs and begin them all; return when each ends, soonest first."""
    spread_s = [SHORTEST_S + (LONGEST_S - SHORTEST_S) * (at + 0.5) / count for at in range(count)]
    rng.shuffle(spread_s)
    job_ids = [client.submit("https://example.com/talk.mp4").job_id for _ in range(count)]
    runs = [run for job_id in job_ids if (run := store.start(job_id))]
    began_s = monotonic()
    ends = [(began_s + seconds, at, run) for at, (seconds, run) in enumerate(zip(spread_s, runs, strict=True))]
    return sorted(ends)


def _end(ends: list[tuple[float, int, Run]]) -> None:
    for at_s, _, run in ends:
        sleep(max(0.0, at_s - monotonic()))
        job_id = run.job.job_id
        run.complete(
            Output(video_url=f"https://example.com/{job_id}.mp4", captions_url=f"https://example.com/{job_id}")
        )
