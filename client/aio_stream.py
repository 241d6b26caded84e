"""One stream of server-sent events of an asynchronous client: what a wait is told by it. It takes no task."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .pulse import Beat, Pulse
from .sse import Parser
from .stream import LONGEST_PING_S
from .switchboard import Said, Signal

if TYPE_CHECKING:  # aio_transport says what to do where it is missing
    import aiohttp

_log = logging.getLogger(__name__)


class AsyncStream:
    """Reads while somebody takes from it; `at_end` is called with it when it is left."""

    def __init__(
        self,
        response: "aiohttp.ClientResponse",
        at_end: Callable[["AsyncStream"], None],
        clock: Callable[[], float],
    ) -> None:
        self._response, self._at_end, self._clock = response, at_end, clock
        self._parser, self._pulse = Parser(LONGEST_PING_S), Pulse(clock(), LONGEST_PING_S)
        self._news: deque[Said] = deque()

    async def begins(self, within_s: float) -> bool:
        """Whether it says something `within_s`: the service does at once, unless somebody in between collects it."""
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                await self._read()
        except TimeoutError:
            return False
        return Signal.LOST not in self._news

    async def take(self, within_s: float) -> Said | None:
        """Return the oldest news, or None if there is none `within_s`."""
        until_s = self._clock() + within_s
        while not self._news:
            try:
                async with asyncio.timeout(max(0.0, min(until_s, self._pulse.due_s()) - self._clock())):
                    await self._read()
            except TimeoutError:
                beat = self._pulse.feel(self._clock())
                if beat is not Beat.STEADY:
                    return Signal.LOST if beat is Beat.LOST else Signal.QUIET
                if self._clock() >= until_s:
                    return None
        return self._news.popleft()

    def leave(self) -> None:
        """Want no more news; whoever takes at this moment is told that the stream is lost."""
        self._response.close()
        self._at_end(self)

    async def _read(self) -> None:
        from aiohttp import ClientError  # noqa: PLC0415 - a client that is told by Redis may do without

        try:
            some = await self._response.content.readany()
            self._news.extend(self._parser.feed(some) if some else [Signal.LOST])
        except (ClientError, OSError, ValueError) as error:
            _log.info("stream_lost", extra={"reason": str(error)})
            self._news.append(Signal.LOST)
        self._pulse.every_s = self._parser.ping_s
        self._pulse.hear(self._clock())
