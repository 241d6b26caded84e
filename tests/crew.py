"""A concurrent worker on a real Valkey, with jobs put in and looked at without an API."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from given import a_job
from rq import Queue
from rq.serializers import JSONSerializer
from service import ROOT, Service, eventually

from contract.states import State
from store import feed
from store.jobs import JobStore
from store.ledger import Ledger, New
from store.records import now_utc
from store.settings import StoreSettings, connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.job import Job

CONCURRENT: Final = ("-S", "json", "-w", "worker.concurrent.ConcurrentWorker")
STALLS: Final = {"duration_s": 3600}


class Crew(Service):
    """Valkey, and workers that a test starts by `take_on`."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        super().__init__({"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **(env or {})})
        self.start_valkey()
        self.redis = connect(self.redis_url)
        self.ledger = Ledger(self.redis, StoreSettings())
        self.jobs = JobStore(self.ledger)
        self.queue = Queue("default", connection=self.redis, serializer=JSONSerializer)

    def take_on(self, *more: str) -> subprocess.Popen[bytes]:
        """Start a concurrent worker, and return once RQ knows of it."""
        before = self.redis.scard("rq:workers")
        # under gevent from the start, which spares the worker to begin again
        words = ("--module", "rq.cli", "worker", "-u", self.redis_url, *CONCURRENT, *more)
        process = self._run(f"worker-{next(self._numbers)}", "gevent.monkey", *words)
        self.workers.append(process)
        eventually(lambda: self.redis.scard("rq:workers") > before or process.poll() is not None, 30)
        return process

    def submit(self, count: int, simulate: dict[str, Any], **fields: Any) -> list[str]:
        """Make so many jobs, and return their ids."""
        known = int(self.redis.get("dubq:ordinal:default") or 0)
        ids = [f"j{known + number}" for number in range(count)]
        at = now_utc()
        made = (New(a_job(job_id, at=at, **fields), job_id, simulate) for job_id in ids)
        assert None not in self.ledger.create_many(made)
        return ids

    def states(self, ids: list[str]) -> dict[State, int]:
        jobs = self.read(ids)
        return {state: count for state in State if (count := sum(job.state is state for job in jobs))}

    def ids_in(self, state: State, ids: list[str]) -> list[str]:
        return [job.job_id for job in self.read(ids) if job.state is state]

    def read(self, ids: list[str]) -> list[Job]:
        return [self.jobs.read(job_id, "default") for job_id in ids]

    def running(self) -> int:
        return int(self.redis.zcard("dubq:running"))

    def seqs(self) -> dict[str, list[int]]:
        """Return what the feed has told of each job."""
        told: dict[str, list[int]] = {}
        for each in feed.read(self.redis, "default", count=100_000):
            told.setdefault(each.job.job_id, []).append(each.job.seq)
        return told

    def rq(self, *words: str) -> str:
        """Return what RQ's own command line says."""
        line = (sys.executable, "-m", "rq.cli", *words, "-u", self.redis_url)
        return subprocess.run(line, env=self.env, check=True, capture_output=True, text=True, timeout=30).stdout
