"""Jobs that run as a test says: this process plays the worker on the real service, and its clients come by lines.

What a wait is allowed to take follows from the client's own constants.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import requests
from given import a_job
from pushes import Mishaps

from client import switchboard, watch
from contract.job import Output
from store.jobs import JobStore
from store.ledger import Ledger
from store.records import now_utc
from store.runs import Run, RunStore
from store.settings import StoreSettings, connect

if TYPE_CHECKING:
    from proxy import Proxy
    from service import Service

    from contract.job import Job

OUTPUT: Final = Output(video_url="https://example.com/es.mp4", captions_url="https://example.com/es.vtt")

RETURN_S: Final = 2.0
"""The bar: how long after the line's return, or the job's end if that is later, a wait may take to know."""

SLACK_S: Final = 1.0
"""For a machine that is busy with other tests."""


def noticed_s() -> float:
    """Return how long it may take to notice that a line to Redis was cut without a word: silence, then no pong."""
    return 2 * switchboard.PING_S


def polling_s(waited_s: float) -> float:
    """Return the longest pause that can be under way after so many seconds of polling."""
    attempt, slept_s = 1, 0.0
    while (slept_s := slept_s + watch.POLLS.pause_s(attempt, 0.0)) <= waited_s:
        attempt += 1
    return watch.POLLS.pause_s(attempt, 1.0)


class Works:
    """A worker's calls, made by hand."""

    def __init__(self, service: Service) -> None:
        self.redis = connect(service.redis_url)
        settings = StoreSettings(redis_url=service.redis_url, lease_s=3600)
        self._ledger = Ledger(self.redis, settings)
        self._jobs, self._runs = JobStore(self._ledger), RunStore(self._ledger)

    def begin(self) -> Run:
        """Make a job, and start it."""
        job = a_job(uuid4().hex, at=now_utc())
        self._jobs.create(job, fingerprint=job.job_id)
        run = self._runs.start(job.job_id)
        assert run is not None
        return run

    def read(self, job_id: str) -> Job:
        return self._jobs.read(job_id, "default")


@dataclass(frozen=True, slots=True)
class Route:
    """The lines of one client: to the API, and to Redis if it is to be told by it."""

    http: Proxy
    redis: Proxy | None
    mishaps: Mishaps = field(default_factory=Mishaps)

    @property
    def lines(self) -> list[Proxy]:
        return [self.http, *([self.redis] if self.redis else [])]

    def options(self) -> dict[str, Any]:
        """Return what a client needs to go this way."""
        url = f"http://127.0.0.1:{self.http.port}"
        redis_url = f"redis://127.0.0.1:{self.redis.port}" if self.redis else None
        return {"url": url, "redis_url": redis_url}


def pushes_by_http(service: Service) -> bool:
    """Whether the service tells also those who have no Redis."""
    offered = requests.get(f"{service.url}/connect", timeout=5).json()
    return bool(offered["sse"] or offered["long_poll_s"])
