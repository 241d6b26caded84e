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
    """Let `past` jobs of U(5,15) s end, then wait for others, each from its submit on.

    Forty stock workers are too many for two cores, so this thread starts and ends the jobs, by a worker's own calls:
    each begins when it is submitted. Their engine reports no progress. The durations are spread evenly, so that few
    waits stand for many.
    """
    rng = Random(2)  # noqa: S311
    store = RunStore(Ledger(home.redis, StoreSettings(redis_url=home.redis_url, lease_s=60)))
    with TranslationClient(home.url) as client, ThreadPoolExecutor(WAITS) as pool:
        _end(sorted(_begin(client, store, seconds) for seconds in _spread_s(past, rng)))
        begun, waits = [], []
        for seconds in _spread_s(WAITS, rng):
            ends_s, job_id, run = _begin(client, store, seconds)
            waits.append(pool.submit(client.poll_status, job_id, timeout=60))
            begun.append((ends_s, job_id, run))
        _end(sorted(begun))
        ended = [wait.result() for wait in waits]
        return [Waited.of(client.metrics.jobs[job.job_id]) for job in ended]


def _spread_s(count: int, rng: Random) -> list[float]:
    spread_s = [SHORTEST_S + (LONGEST_S - SHORTEST_S) * (at + 0.5) / count for at in range(count)]
    rng.shuffle(spread_s)
    return spread_s


def _begin(client: TranslationClient, store: RunStore, seconds: float) -> tuple[float, str, Run]:
    """Submit a job and begin it; return when it ends, its id, and the run."""
    job_id = client.submit("https://example.com/talk.mp4").job_id
    run = store.start(job_id)
    if run is None:
        raise RuntimeError(f"nothing begins job {job_id}")
    return monotonic() + seconds, job_id, run


def _end(ends: list[tuple[float, str, Run]]) -> None:
    for at_s, job_id, run in ends:
        sleep(max(0.0, at_s - monotonic()))
        run.complete(
            Output(video_url=f"https://example.com/{job_id}.mp4", captions_url=f"https://example.com/{job_id}")
        )
