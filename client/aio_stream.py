"""One stream of server-sent events of an asynchronous client: what a wait is told by it. It takes no task."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from .sse import Parser
from .stream import SILENCE_S
from .switchboard import News, Signal

if TYPE_CHECKING:  # aio_transport says what to do where it is missing
    import aiohttp

_log = logging.getLogger(__name__)


class AsyncStream:
    """Reads while somebody takes from it; `at_end` is called with it when it is left."""

    def __init__(self, response: "aiohttp.ClientResponse", at_end: Callable[["AsyncStream"], None]) -> None:
        self._response, self._at_end = response, at_end
        self._parser = Parser()
        self._news: deque[News] = deque()
        self._heard_s = asyncio.get_running_loop().time()

    async def take(self, within_s: float) -> News | None:
        """Return the oldest news, or None if there is none `within_s`."""
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                while not self._news:
                    await self._read()
        except TimeoutError:
            return None
        return self._news.popleft()

    def leave(self) -> None:
        """Want no more news; whoever takes at this moment is told that the stream is lost."""
        self._response.close()
        self._at_end(self)

    async def _read(self) -> None:
        from aiohttp import ClientError  # noqa: PLC0415 - a client that is told by Redis may do without

        try:
            async with asyncio.timeout_at(self._heard_s + SILENCE_S):
                some = await self._response.content.readany()
            self._heard_s = asyncio.get_running_loop().time()
            self._news.extend(self._parser.feed(some) if some else [Signal.LOST])
        except (ClientError, OSError, ValueError) as error:
            _log.info("stream_lost", extra={"reason": str(error)})
            self._news.append(Signal.LOST)
