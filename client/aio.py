"""The asynchronous client: the blocking one's methods, awaited."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from contract.delivery import Delivery
from contract.job import Job, Priority
from contract.states import State

from . import http
from .aio_dispatch import AsyncDispatch
from .aio_driver import AsyncMeans, AsyncWay, finish, pause
from .aio_events import AsyncEvents
from .aio_listener import AsyncListener
from .aio_simulated import AsyncSimulator
from .aio_transport import AsyncTransport
from .aio_waits import AsyncWaits
from .desk import SUBMIT_TIMEOUT_S, Desk, now_utc, token_or_default, url_or_default
from .ladder import ROADS, Road
from .metrics import Metrics
from .patience import REQUEST_TIMEOUT_S
from .roads import ClientClosedError
from .steps import Send
from .wire import Wire

if TYPE_CHECKING:  # aio_transport says what to do where it is missing
    import aiohttp

T = TypeVar("T")


class AsyncTranslationClient(AsyncWaits):
    """Submits translation jobs and waits for them, in one event loop; what TranslationClient says holds here too.

    `session` is an aiohttp session of your own, which `close` leaves open. `on_update` may be a coroutine function. A
    wait whose task is cancelled ends its subscription, and cancels no job.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        redis_url: str | None = None,
        request_timeout: float = REQUEST_TIMEOUT_S,
        roads: Sequence[Road | str] = ROADS,
        session: "aiohttp.ClientSession | None" = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self.metrics = Metrics()
        self.simulator = AsyncSimulator(self._call)
        self._desk = Desk(
            request_timeout_s=request_timeout,
            roads=tuple(Road(each) for each in roads),
            clock=clock,
            now=now,
            chance=chance,
        )
        wire = Wire(url_or_default(url), self.metrics, clock=clock, now=now)
        token = token_or_default(token)
        self._transport = AsyncTransport(wire, token, session, clock=clock)
        closed = asyncio.Event()
        self._means = AsyncMeans(
            dispatch=AsyncDispatch(self._transport),
            events=AsyncEvents(self._transport, clock),
            listener=AsyncListener(clock),
            way=AsyncWay(redis_url, self._transport, clock, token),
            metrics=self.metrics,
            memory=self._desk.memory,
            closed=closed,
            clock=clock,
            now=now,
            pause=sleep or partial(pause, closed),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of all connections and tasks; waits that are under way raise ClientClosedError."""
        self._means.closed.set()
        await self._means.listener.close()
        await self._means.events.close()
        await self._transport.close()
        await self._means.dispatch.close()

    async def submit(
        self,
        video_url: str,
        *,
        job_id: str | None = None,
        target_language: str | None = None,
        source_language: str | None = None,
        title: str | None = None,
        video_duration_s: float | None = None,
        priority: Priority | str | None = None,
        metadata: Mapping[str, Any] | None = None,
        callback_url: str | None = None,
        max_attempts: int | None = None,
        engine: str | None = None,
        simulate: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout: float = SUBMIT_TIMEOUT_S,
    ) -> Job:
        """Submit a job; return it as accepted.

        Its id is chosen here, so what got no answer is sent again for up to `timeout` seconds and never makes a second
        job. The error then has the `job_id`, with which the same submission can be sent once more at any time.
        """
        fields = {
            "job_id": job_id,
            "video_url": video_url,
            "target_language": target_language,
            "source_language": source_language,
            "title": title,
            "video_duration_s": video_duration_s,
            "priority": priority,
            "metadata": metadata,
            "callback_url": callback_url,
            "max_attempts": max_attempts,
            "engine": engine,
            "simulate": simulate,
            "idempotency_key": idempotency_key,
        }
        plan = self._desk.submitting(self._desk.submission(fields), timeout)
        job = await finish(self._run(plan), on_update=None)
        self._means.way.note(job)
        return job

    async def submit_many(
        self, submissions: Iterable[Mapping[str, Any]], *, timeout: float = SUBMIT_TIMEOUT_S
    ) -> list[Job]:
        """Submit many jobs, given as the arguments of `submit` by name; return them as accepted, in the order given.

        A thousand are one request; one that has an `idempotency_key` is a request of its own. What got no answer is
        sent again as by `submit`, all within `timeout` seconds. Raises NotAllSubmittedError, which has the jobs that
        were accepted, if any was not; TypeError or ValueError, before anything is sent, for what is no submission.
        """
        plan = self._desk.submitting_many(submissions, timeout)
        jobs = await finish(self._run(plan), on_update=None)
        for job in jobs[:1]:
            self._means.way.note(job)
        return jobs

    async def get_status(self, job_id: str | None = None) -> Job:
        """Read a job as it is now; without an id that of `/status`, which starts one if there is none."""
        return await self._call(http.read_single() if job_id is None else http.read_job(job_id))

    async def get_statuses(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Read many jobs, by their ids; those that do not exist are missing."""
        found = [job for chunk in http.chunks(job_ids) for job in await self._call(http.read_many(chunk))]
        return {job.job_id: job for job in found}

    async def jobs(self, *, state: State | str | None = None, target_language: str | None = None) -> AsyncIterator[Job]:
        """Yield all jobs, newest first, read page by page."""
        cursor: str | None = None
        while True:
            page = await self._call(http.list_jobs(state, target_language, cursor))
            for job in page.jobs:
                yield job
            cursor = page.next_cursor
            if cursor is None:
                return

    async def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; return it as it is then. Raises IllegalTransitionError if it has ended otherwise."""
        return await self._call(http.cancel(job_id))

    async def reset(self, job_id: str) -> Job:
        """Run a finished job again from the start. Raises IllegalTransitionError while it is pending."""
        job = await self._call(http.reset(job_id))
        self.metrics.forget_knowing(job.job_id)
        return job

    async def deliveries(self, job_id: str) -> list[Delivery]:
        """Read the log of a job's webhooks: a delivery for each end that the job has had, oldest first."""
        found = await self._call(http.deliveries(job_id))
        return list(found)

    async def redeliver(self, job_id: str, delivery_id: str) -> Delivery:
        """Have a webhook sent again, now, whatever has become of it; its receiver sees the same id and body."""
        return await self._call(http.redeliver(job_id, delivery_id))

    async def _call(self, request: http.Request[T]) -> T:
        """Send one request once; return its value."""
        if self._means.closed.is_set():
            raise ClientClosedError(job_id=request.job_id)
        answer = await self._transport.send(Send(request=request, within_s=self._desk.request_timeout_s, insist=True))
        self._means.memory.hear(request, answer, self._means.clock())
        if answer.value is None and self._means.closed.is_set():
            raise ClientClosedError(job_id=request.job_id)
        return answer.result()
