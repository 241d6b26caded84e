"""Requests over the wire, awaited: one aiohttp session and its token."""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import answers, http
from .aio_stream import AsyncStream
from .steps import Line, Send
from .wire import KEPT_S, POOL_SIZE, Wire, first_words

try:
    import aiohttp
except ModuleNotFoundError as error:
    if error.name != "aiohttp":
        raise
    raise ModuleNotFoundError(
        "AsyncTranslationClient needs the package aiohttp: pip install 'dubq[async]'", name="aiohttp"
    ) from error

if TYPE_CHECKING:
    from aiohttp.client import _RequestContextManager

    from .wire import Outgoing

T = TypeVar("T")

MOVED: Final = range(300, 400)
_TROUBLES: Final = (aiohttp.ClientError, OSError, ValueError)


class AsyncTransport:
    """Sends requests and says what came of them; raises only for what cannot be sent at all."""

    def __init__(
        self, wire: Wire, token: str | None, session: aiohttp.ClientSession | None, *, clock: Callable[[], float]
    ) -> None:
        """`session` is the caller's own and stays open; else one is made when first needed, and closed here."""
        self._wire = wire
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._owns_session = session is None
        self._session = session
        self._clock = clock
        self._under_way: set[asyncio.Timeout] = set()
        self._is_idle = asyncio.Event()
        self._is_closed = False
        self._streams: set[AsyncStream] = set()

    async def send(self, step: Send[T]) -> http.Answer[T]:
        """Send a request and wait for its answer as long as the step says.

        Nobody is followed to another address. Raises ValueError for one that aiohttp cannot use, or a bad proxy.
        """
        if self._is_closed:  # while somebody waited for his turn
            return http.Answer(is_passing=True)
        spared = self._wire.spare(step)
        if spared:
            return spared
        outgoing, began_s = self._wire.outgoing(step), self._clock()
        try:
            async with asyncio.timeout(None) as scope:
                response, body = await self._exchange(outgoing, scope)
        except _TROUBLES as error:
            return self._failed(step, began_s, error)
        return self._wire.answered(step, began_s, response.status, response.headers, body)

    async def open(self, step: Send[None]) -> tuple[http.Answer[Any], Line, AsyncStream | None]:
        """Ask for a stream of events; its head has to be there as soon as the step says. Else as `send`."""
        if self._is_closed:
            return http.Answer(is_passing=True), Line.DOWN, None
        spared = self._wire.spare(step)
        if spared:
            return spared, Line.DOWN, None
        outgoing, began_s = self._wire.outgoing(step), self._clock()
        try:
            async with asyncio.timeout(outgoing.timeout_s) as scope:
                response, body = await self._begin(outgoing, scope)
        except _TROUBLES as error:
            return self._failed(step, began_s, error), Line.DOWN, None
        answer, line = self._wire.opened(step, began_s, response.status, response.headers, body)
        if line is not Line.UP:
            response.close()
            return answer, line, None
        stream = AsyncStream(response, self._streams.discard, self._clock)
        self._streams.add(stream)
        try:
            has_begun = await stream.begins(began_s + outgoing.timeout_s - self._clock())
        except BaseException:  # a cancelled wait leaves nothing behind
            stream.leave()
            raise
        if not has_begun:
            stream.leave()
            return answer, Line.DOWN, None
        return answer, line, stream

    @property
    def open_streams(self) -> int:
        """How many streams have begun and not ended."""
        return len(self._streams)

    async def close(self) -> None:
        """Let go of all connections; requests that are under way get no answer.

        They end first: a session that is closed under a request of its own may stumble over it.
        """
        self._is_closed = True
        for stream in list(self._streams):
            stream.leave()
        for scope in self._under_way:
            if not scope.expired():
                scope.reschedule(asyncio.get_running_loop().time())
        if self._under_way:
            await self._is_idle.wait()
        if self._session and self._owns_session:
            await self._session.close()

    def _failed(self, step: Send[T], began_s: float, error: Exception) -> http.Answer[T]:
        if isinstance(error, ValueError):
            raise error  # a bad address of the caller's: no later attempt could be better
        is_away = isinstance(error, aiohttp.ClientConnectionError)  # which not to have connected in time is, too
        is_silent = not is_away and isinstance(error, TimeoutError)
        within_s = min(step.within_s, step.quiet_s)
        reason = f"no answer within {within_s:g} s" if isinstance(error, TimeoutError) else first_words(error)
        return self._wire.failed(step, began_s, reason, is_away=is_away, is_silent=is_silent)

    async def _begin(self, outgoing: "Outgoing", scope: asyncio.Timeout) -> tuple[aiohttp.ClientResponse, bytes]:
        """Return the head of an answer and, unless that begins a stream, all of it."""
        with self._under_way_in(scope):
            response = await self._request(outgoing, aiohttp.ClientTimeout(total=None))
            try:
                return response, b"" if response.status == HTTPStatus.OK else await response.read()
            except BaseException:
                response.close()
                raise

    async def _exchange(self, outgoing: "Outgoing", scope: asyncio.Timeout) -> tuple[aiohttp.ClientResponse, bytes]:
        # all of it, the body too; without a threshold, for else five seconds and more would be rounded up
        limit = aiohttp.ClientTimeout(
            total=outgoing.timeout_s, sock_connect=outgoing.connect_s, ceil_threshold=math.inf
        )
        with self._under_way_in(scope):
            async with asyncio.timeout(outgoing.head_s) as silence, self._request(outgoing, limit) as response:
                has_moved = response.status in MOVED and "Location" in response.headers
                quiet_s = answers.quiet_s(response.headers, outgoing.quiet_s)
                # nobody wants what is in what has moved
                return response, b"" if has_moved else await _read(response, silence, quiet_s)

    def _request(self, outgoing: "Outgoing", limit: aiohttp.ClientTimeout) -> "_RequestContextManager":
        return self._live_session().request(
            outgoing.method,
            outgoing.url,
            headers={**outgoing.headers, **self._headers},
            data=outgoing.body,
            timeout=limit,
            allow_redirects=False,
        )

    @contextmanager
    def _under_way_in(self, scope: asyncio.Timeout) -> Iterator[None]:
        """Let `close` end what is done here, and wait for it."""
        self._under_way.add(scope)
        self._is_idle.clear()
        try:
            yield
        finally:
            self._under_way.discard(scope)
            if not self._under_way:
                self._is_idle.set()

    def _live_session(self) -> aiohttp.ClientSession:
        if self._session is None:  # which only a running loop can make
            connector = aiohttp.TCPConnector(limit=POOL_SIZE, keepalive_timeout=KEPT_S)
            # trust_env: proxies, as requests does
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=True, trace_configs=[_one_connection_each()]
            )
        return self._session


def _one_connection_each() -> aiohttp.TraceConfig:
    """Let each request open one connection at most.

    What is hung up on, aiohttp sends once more by itself. That is well where the connection had been kept, but a
    service that is away would be knocked at twice each time.
    """
    traces = aiohttp.TraceConfig()

    async def open_one(_session: aiohttp.ClientSession, request: SimpleNamespace, _params: object) -> None:
        if hasattr(request, "has_opened"):
            raise aiohttp.ServerDisconnectedError
        request.has_opened = True

    traces.on_connection_create_start.append(open_one)
    return traces


async def _read(response: aiohttp.ClientResponse, silence: asyncio.Timeout, quiet_s: float) -> bytes:
    """Read a body to its end; `silence` is over whenever nothing has come of it for so long."""
    parts: list[bytes] = []
    loop = asyncio.get_running_loop()
    while True:
        silence.reschedule(loop.time() + quiet_s if quiet_s < math.inf else None)
        part = await response.content.readany()
        if not part:
            return b"".join(parts)
        parts.append(part)
