"""A client among whose waits are thousands, a process of its own: it reads an order (JSON) and prints what came of it.

First a line once every wait has seen its job, then, when all have ended, one more. It imports what a user's process
would and no more: its memory is that of the client.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from client import Job, Metrics, TranslationClient

TIMEOUT_S = 300.0


class Waits:
    """What all the waits of this process are told."""

    def __init__(self, job_ids: list[str], url: str, way: str) -> None:
        self.job_ids, self.url, self.way = job_ids, url, way
        self.ended: dict[str, Job] = {}
        self._seen: set[str] = set()

    def hear(self, job: Job) -> None:
        """Take note; say so when the last one has been seen."""
        is_new = job.job_id not in self._seen
        self._seen.add(job.job_id)
        if is_new and len(self._seen) == len(self.job_ids):
            say({"waiting": len(self._seen)})

    def run(self) -> Metrics:
        """Wait for all the jobs in the way that was ordered."""
        if self.way == "wait_all":
            with TranslationClient(self.url) as client:
                self.ended = client.wait_all(self.job_ids, on_update=self.hear, timeout=TIMEOUT_S)
                return client.metrics
        return asyncio.run(self._run_async())

    async def _run_async(self) -> Metrics:
        from client import AsyncTranslationClient  # noqa: PLC0415 - who blocks has no aiohttp in memory

        async with AsyncTranslationClient(self.url) as client:
            if self.way == "await wait_all":
                self.ended = await client.wait_all(self.job_ids, on_update=self.hear, timeout=TIMEOUT_S)
            else:
                waits = [client.wait(job_id, on_update=self.hear, timeout=TIMEOUT_S) for job_id in self.job_ids]
                self.ended = {job.job_id: job for job in await asyncio.gather(*waits)}
            return client.metrics


def rss(which: str) -> int:
    """Return this process's memory in bytes: "VmRSS" now, "VmHWM" at its most. Linux.

    `getrusage` would count what our parent had in memory when it started us.
    """
    words = Path("/proc/self/status").read_text("ascii").split()
    return int(words[words.index(f"{which}:") + 1]) * 1024


def say(words: dict[str, Any]) -> None:
    """Print one line for whoever has given the order."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main(read: Callable[[], str]) -> None:
    order = json.loads(read())
    before = rss("VmRSS")
    waits = Waits(**order)
    metrics = waits.run()
    say(
        {
            "rss_before": before,
            "rss_peak": rss("VmHWM"),
            "requests": metrics.requests,
            "retries": metrics.retries,
            "delays_s": [share.knowing_delay_s for share in metrics.jobs.values()],
            "ended": sum(job.done for job in waits.ended.values()),
        }
    )


if __name__ == "__main__":
    main(sys.stdin.readline)
