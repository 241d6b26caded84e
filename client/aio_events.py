"""The streams of an asynchronous client: one of its own for each of few waits, and one that all others share."""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from . import http
from .aio_listener import AsyncMailbox
from .aio_stream import AsyncStream
from .aio_transport import AsyncTransport
from .audience import MOST_OWN, Attempts, Audience
from .steps import Line, Send
from .switchboard import Signal

Opened: TypeAlias = tuple[http.Answer[Any], Line, AsyncMailbox | AsyncStream | None]


class AsyncEvents:
    """Opens streams, and shares them."""

    def __init__(self, transport: AsyncTransport, clock: Callable[[], float]) -> None:
        self._transport, self._clock = transport, clock
        self._opening = 0  # streams of a wait's own
        self._lock = asyncio.Lock()
        self._shared: _Shared | None = None
        self._attempts = Attempts()

    async def open(self, job_ids: Sequence[str], within_s: float) -> Opened:
        """Be told of these jobs' events; Line.BEHIND: not how they are now. Else as `AsyncTransport.open`."""
        if len(job_ids) > 1 or self._is_shared or self._own >= MOST_OWN:
            return await self._join(job_ids, within_s)
        self._opening += 1
        try:
            return await self._transport.open(Send(request=http.events(job_ids[0]), within_s=within_s))
        finally:
            self._opening -= 1

    async def close(self) -> None:
        """Close the shared stream; its task has ended when this returns."""
        if self._shared:
            await self._shared.close()

    @property
    def _own(self) -> int:
        return self._opening + self._transport.open_streams

    @property
    def _is_shared(self) -> bool:
        return self._shared is not None and not self._shared.is_over

    async def _join(self, job_ids: Sequence[str], within_s: float) -> Opened:
        until_s = self._clock() + within_s
        try:
            async with asyncio.timeout(within_s):
                await self._lock.acquire()
        except TimeoutError:
            return http.Answer(is_passing=True), Line.DOWN, None  # somebody else is still opening it
        try:
            if self._shared and not self._shared.is_over:
                return http.Answer(), Line.BEHIND, self._shared.join(job_ids)
            return await self._begin(job_ids, until_s - self._clock())
        finally:
            self._lock.release()

    async def _begin(self, job_ids: Sequence[str], within_s: float) -> Opened:
        """Open the shared stream; what has just failed for somebody has failed for all."""
        spared = self._attempts.spare(within_s, self._clock())
        if spared:
            return *spared, None
        answer, line, stream = await self._transport.open(Send(request=http.events(None), within_s=within_s))
        if stream is None:
            self._attempts.note(answer, line, self._clock())
            return answer, line, None
        self._shared = _Shared(stream)
        return answer, Line.BEHIND, self._shared.join(job_ids)


class _Shared:
    """One stream and the task that hands on what it says. Leaving never awaits, so that a cancelled wait can."""

    def __init__(self, stream: AsyncStream) -> None:
        self._stream = stream
        self._audience = Audience()
        self.is_over = False
        self._task = asyncio.create_task(self._run(), name="dubq-events")

    def join(self, job_ids: Sequence[str]) -> AsyncMailbox:
        """Hear of these jobs from now on."""
        mailbox = AsyncMailbox(job_ids, self._leave)
        self._audience.admit(mailbox)
        return mailbox

    async def close(self) -> None:
        self._end()
        await asyncio.wait([self._task])

    def _leave(self, mailbox: AsyncMailbox) -> None:
        self._audience.dismiss(mailbox)
        if self._audience.is_empty:
            self._end()

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._stream.leave()
            self._audience.tell_all(Signal.LOST)

    async def _run(self) -> None:
        try:
            while not self.is_over:
                news = await self._stream.take(math.inf)
                if isinstance(news, bytes):
                    self._audience.hear(news)
                elif news is Signal.LOST:
                    return
                elif news:
                    self._audience.tell_all(news)
        finally:
            self._end()
