"""Twenty jobs of two seconds, half of the workers killed in the middle and started again."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from history import check
from service import LOADED, eventually, kill_tree
from waiters import VIDEO, running

from client import TranslationClient

if TYPE_CHECKING:
    from service import Service

WITHIN_S = 8.0
WORKERS = 10


def test_twenty_jobs_end_within_eight_seconds_of_the_kill(service: Service) -> None:
    service.start_valkey()
    service.start_api()
    for _ in range(WORKERS):
        service.start_worker(*LOADED)
    eventually(lambda: service.connection().scard("rq:workers") == WORKERS, 60)
    with TranslationClient(service.url) as client:
        wish = {"video_url": VIDEO, "simulate": {"duration_s": 2}}
        job_ids = [job.job_id for job in client.submit_many([wish] * 20)]
        eventually(lambda: running(client) == WORKERS, 20)
        eventually(lambda: all(job.progress > 0 for job in client.jobs(state="running")), 5)
        killed_s = time.monotonic()
        for worker in service.workers[: WORKERS // 2]:
            kill_tree(worker)
            service.start_worker(*LOADED)
        eventually(lambda: all(job.done for job in client.get_statuses(job_ids).values()), 60, pause_s=0.05)
        took_s = time.monotonic() - killed_s
    sys.stdout.write(f"\nall had ended {took_s:.1f} s after the kill\n{check(service.connection(), job_ids)}\n")
    assert took_s <= WITHIN_S
