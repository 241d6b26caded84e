"""Redis is killed under a thousand waits of one client, and comes back: none of them is lost."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from stage import OUTPUT, Works

from client import AsyncTranslationClient, Job, State

if TYPE_CHECKING:
    from service import Service

    from store.runs import Run

CROWD: Final = 1000
AWAY_S: Final = 2.0
KNOWN_S: Final = 20.0
"""From Redis's return to the last wait's end, a thousand ends among them that are written one by one."""


def test_a_thousand_waits_outlive_a_killed_redis_and_do_not_storm_the_api(service: Service) -> None:
    service.start_valkey()
    service.start_api()
    works = Works(service)
    runs = [works.begin() for _ in range(CROWD)]
    ended, requests, took_s = asyncio.run(scene(service, runs))
    assert {job.job_id for job in ended if job.state is State.COMPLETED} == {run.job.job_id for run in runs}
    assert took_s < KNOWN_S
    assert requests < CROWD


async def scene(service: Service, runs: list[Run]) -> tuple[list[Job], int, float]:
    """Return the ends, the requests since Redis was killed, and the seconds from its return to the last end."""
    seen, all_wait = set[str](), asyncio.Event()

    def hear(job: Job) -> None:
        seen.add(job.job_id)
        if len(seen) == CROWD:
            all_wait.set()

    async with AsyncTranslationClient(service.url) as client, asyncio.timeout(120):
        waits = [asyncio.create_task(client.wait(run.job.job_id, on_update=hear, timeout=120)) for run in runs]
        await all_wait.wait()
        before = client.metrics.requests
        await asyncio.to_thread(service.valkey.terminate)
        await asyncio.sleep(AWAY_S)  # the outage itself
        await asyncio.to_thread(service.start_valkey)
        back_s = time.monotonic()
        await asyncio.to_thread(lambda: [run.complete(OUTPUT) for run in runs])
        ended = await asyncio.gather(*waits)
        return ended, client.metrics.requests - before, time.monotonic() - back_s
