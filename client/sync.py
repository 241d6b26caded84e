"""The blocking client: its public methods, each a request or a plan and nothing more."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Self, TypeVar

import requests

from contract.delivery import Delivery
from contract.job import Job, Priority
from contract.states import State

from . import http
from .desk import SUBMIT_TIMEOUT_S, Desk, now_utc, token_or_default, url_or_default
from .dispatch import Dispatch
from .driver import Means, Way, finish
from .events import Events
from .ladder import ROADS, Road
from .listener import Listener
from .metrics import Metrics
from .patience import REQUEST_TIMEOUT_S
from .roads import ClientClosedError
from .simulated import Simulator
from .steps import Send
from .transport import Transport
from .waits import Waits
from .wire import Wire

T = TypeVar("T")


class TranslationClient(Waits):
    """Submits translation jobs and waits for them. May be shared by any number of threads. Ids may be resume tokens.

    `url` and `token` default to DUBQ_URL and DUBQ_TOKEN, `redis_url` to what the service says (`GET /connect`). `roads`
    are those that `wait` and its like may take where the service offers them: each a `Road`, or its word. Asking they
    always may. `session` is a requests session of your own (proxies, certificates), which `close` leaves open. The last
    four are for tests: a monotonic clock, what sleeps, a chance in [0, 1), and the time in UTC.

    All methods raise subclasses of DubqError: ServiceUnavailableError where the service cannot be reached, and what it
    refuses; ValueError and TypeError for arguments that cannot be sent. A wait rides out what passes, and raises
    JobFailedError, JobCancelledError (unless `raise_on_failure` is False) and WaitTimeoutError.

    A wait's `timeout` is for the whole of it, and kept within a tenth of a second, with a last look at the end;
    `on_timeout="cancel"` also cancels the job, which may take two seconds more (of many: two for each), `"return"`
    returns it as it was last seen. `request_timeout` is for one whole request. Beyond it go, as nothing in requests
    bounds them, the look-up of a host's name, and a server that sends the head of its answer drop by drop.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        redis_url: str | None = None,
        request_timeout: float = REQUEST_TIMEOUT_S,
        roads: Sequence[Road | str] = ROADS,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        chance: Callable[[], float] = random.random,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self.metrics = Metrics()
        self.simulator = Simulator(self._call)
        self._desk = Desk(
            request_timeout_s=request_timeout,
            roads=tuple(Road(each) for each in roads),
            clock=clock,
            now=now,
            chance=chance,
        )
        wire = Wire(url_or_default(url), self.metrics, clock=clock, now=now)
        token = token_or_default(token)
        self._transport = Transport(wire, token, session, clock=clock)
        closed = threading.Event()
        self._means = Means(
            dispatch=Dispatch(self._transport),
            events=Events(self._transport, clock),
            listener=Listener(clock),
            way=Way(redis_url, self._transport, clock, token),
            metrics=self.metrics,
            memory=self._desk.memory,
            closed=closed,
            clock=clock,
            now=now,
            pause=sleep or closed.wait,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections and threads; waits raise ClientClosedError, once a request under way is over."""
        self._means.closed.set()
        self._means.listener.close()
        self._means.events.close()
        self._transport.close()
        self._means.dispatch.close()

    def submit(
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
        job = finish(self._run(plan), on_update=None)
        self._means.way.note(job)
        return job

    def submit_many(self, submissions: Iterable[Mapping[str, Any]], *, timeout: float = SUBMIT_TIMEOUT_S) -> list[Job]:
        """Submit many jobs, given as the arguments of `submit` by name; return them as accepted, in the order given.

        A thousand are one request; one that has an `idempotency_key` is a request of its own. What got no answer is
        sent again as by `submit`, all within `timeout` seconds. Raises NotAllSubmittedError, which has the jobs that
        were accepted, if any was not; TypeError or ValueError, before anything is sent, for what is no submission.
        """
        plan = self._desk.submitting_many(submissions, timeout)
        jobs = finish(self._run(plan), on_update=None)
        for job in jobs[:1]:
            self._means.way.note(job)
        return jobs

    def get_status(self, job_id: str | None = None) -> Job:
        """Read a job as it is now; without an id that of `/status`, which starts one if there is none."""
        return self._call(http.read_single() if job_id is None else http.read_job(job_id))

    def get_statuses(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Read many jobs, by their ids; those that do not exist are missing."""
        found = (job for chunk in http.chunks(job_ids) for job in self._call(http.read_many(chunk)))
        return {job.job_id: job for job in found}

    def jobs(self, *, state: State | str | None = None, target_language: str | None = None) -> Iterator[Job]:
        """Yield all jobs, newest first, read page by page."""
        cursor: str | None = None
        while True:
            page = self._call(http.list_jobs(state, target_language, cursor))
            yield from page.jobs
            cursor = page.next_cursor
            if cursor is None:
                return

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; return it as it is then. Raises IllegalTransitionError if it has ended otherwise."""
        return self._call(http.cancel(job_id))

    def reset(self, job_id: str) -> Job:
        """Run a finished job again from the start. Raises IllegalTransitionError while it is pending."""
        job = self._call(http.reset(job_id))
        self.metrics.forget_knowing(job.job_id)
        return job

    def deliveries(self, job_id: str) -> list[Delivery]:
        """Read the log of a job's webhooks: a delivery for each end that the job has had, oldest first."""
        found = self._call(http.deliveries(job_id))
        return list(found)

    def redeliver(self, job_id: str, delivery_id: str) -> Delivery:
        """Have a webhook sent again, now, whatever has become of it; its receiver sees the same id and body."""
        return self._call(http.redeliver(job_id, delivery_id))

    def _call(self, request: http.Request[T]) -> T:
        """Send one request once; return its value."""
        if self._means.closed.is_set():
            raise ClientClosedError(job_id=request.job_id)
        answer = self._transport.send(Send(request=request, within_s=self._desk.request_timeout_s, insist=True))
        self._means.memory.hear(request, answer, self._means.clock())
        return answer.result()
