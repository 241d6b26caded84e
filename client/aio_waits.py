"""The asynchronous client's ways to wait: each a plan and nothing more."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import TypeVar

from contract.job import Job

from .aio_driver import AsyncMeans, Word, finish, run, told
from .desk import Desk, OnUpdate
from .patience import TIMEOUT_S, OnTimeout, Push
from .steps import Plan

T = TypeVar("T")


class AsyncWaits:
    """What waits need, and the waits."""

    _desk: Desk
    _means: AsyncMeans

    async def wait(
        self,
        job_id: str,
        *,
        on_update: OnUpdate | None = None,
        timeout: float = TIMEOUT_S,
        request_timeout: float | None = None,
        on_timeout: OnTimeout = "raise",
        raise_on_failure: bool = True,
        on_stall: OnUpdate | None = None,
    ) -> Job:
        """Wait for a job's end by the best road there is: Redis, server-sent events, a held answer, or asking.

        `on_update` is called in this loop with the job as it is now, and with every change that is seen;
        `on_stall` once there has been no news for three times what `eta` gives nine of ten such jobs: not a timeout.
        """
        ids, plan = self._desk.waiting(
            job_id,
            Push.IF_OFFERED,
            timeout=timeout,
            request_timeout=request_timeout,
            on_timeout=on_timeout,
            raise_on_failure=raise_on_failure,
            wants_progress=on_update is not None,
            wants_warning=on_stall is not None,
        )
        return await finish(self._run(plan, ids), on_update, on_stall)

    async def subscribe(
        self,
        job_id: str,
        on_update: OnUpdate | None = None,
        timeout: float = TIMEOUT_S,
        *,
        request_timeout: float | None = None,
        on_timeout: OnTimeout = "raise",
        raise_on_failure: bool = True,
        on_stall: OnUpdate | None = None,
    ) -> Job:
        """Wait for a job's end as `wait` does, pushed by Redis; poll only while Redis is away.

        Raises NoPushError where there is no Redis to be told by.
        """
        ids, plan = self._desk.waiting(
            job_id,
            Push.ALWAYS,
            timeout=timeout,
            request_timeout=request_timeout,
            on_timeout=on_timeout,
            raise_on_failure=raise_on_failure,
            wants_progress=on_update is not None,
            wants_warning=on_stall is not None,
        )
        return await finish(self._run(plan, ids), on_update, on_stall)

    async def poll_status(
        self,
        job_id: str | None = None,
        on_update: OnUpdate | None = None,
        timeout: float = TIMEOUT_S,
        *,
        request_timeout: float | None = None,
        on_timeout: OnTimeout = "raise",
        raise_on_failure: bool = True,
        on_stall: OnUpdate | None = None,
    ) -> Job:
        """Wait for a job's end by asking: when it is due by its `eta`, else ever more seldom.

        Without an id it is about the job of `/status`. Of a job that this client has just submitted it begins with what
        was told then.
        """
        _, plan = self._desk.waiting(
            job_id,
            Push.NEVER,
            timeout=timeout,
            request_timeout=request_timeout,
            on_timeout=on_timeout,
            raise_on_failure=raise_on_failure,
            wants_progress=on_update is not None,
            wants_warning=on_stall is not None,
        )
        return await finish(self._run(plan), on_update, on_stall)

    def events(
        self, job_id: str, *, timeout: float = TIMEOUT_S, request_timeout: float | None = None
    ) -> AsyncGenerator[Job, None]:
        """Yield the job as it is now, then every change that is seen, up to its end, however it ends.

        Raises WaitTimeoutError. To stop earlier, leave the loop, or `close` what this returns.
        """
        ids, plan = self._desk.waiting(
            job_id, Push.IF_OFFERED, timeout=timeout, request_timeout=request_timeout, wants_progress=True
        )
        return told(self._run(plan, ids))

    async def wait_all(
        self,
        job_ids: Iterable[str],
        *,
        on_update: OnUpdate | None = None,
        timeout: float = TIMEOUT_S,
        request_timeout: float | None = None,
        on_timeout: OnTimeout = "raise",
        raise_on_failure: bool = False,
        on_stall: OnUpdate | None = None,
    ) -> dict[str, Job]:
        """Wait for the end of many jobs; return them by id, in the order asked, however they ended.

        It takes one subscription and a request for about a hundred ids. With `raise_on_failure`, the first in that
        order that was not completed raises, once all have ended. A job that does not exist raises JobNotFoundError at
        once. A timeout raises ManyTimeoutError, whose `jobs` has all as they were last seen. `on_stall` is called with
        each job that is silent as `wait` says.
        """
        ids, plan = self._desk.waiting_for_all(
            job_ids,
            timeout=timeout,
            request_timeout=request_timeout,
            on_timeout=on_timeout,
            raise_on_failure=raise_on_failure,
            wants_progress=on_update is not None,
            wants_warning=on_stall is not None,
        )
        return await finish(self._run(plan, ids), on_update, on_stall)

    def as_completed(
        self,
        job_ids: Iterable[str],
        *,
        timeout: float = TIMEOUT_S,
        request_timeout: float | None = None,
        on_stall: OnUpdate | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Yield each of many jobs when it has ended, however it ended; else as `wait_all`."""
        ids, plan = self._desk.waiting_for_all(
            job_ids, timeout=timeout, request_timeout=request_timeout, wants_warning=on_stall is not None
        )
        return told(self._run(plan, ids), on_stall, only_ended=True)

    def _run(self, plan: Plan[T], job_ids: Sequence[str] = ()) -> AsyncGenerator[Word[T], None]:
        return run(plan, self._means, job_ids)
