"""Lines that can be broken, for tests that have no event loop of their own; and how proxies of any loop end."""

from __future__ import annotations

import asyncio
import itertools
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType


P = TypeVar("P", bound=Proxy)


class Balancer(Proxy):
    """Takes the next of its `ports` for each connection, and the one after that where nobody is."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__(ports[0])
        self.ports, self._turn = ports, itertools.count()

    async def reach(self, end: Callable[[], asyncio.Protocol]) -> None:
        ports, turn = self.ports[:], next(self._turn)
        for offset in range(len(ports)):
            with suppress(OSError):
                await self.loop.create_connection(end, "127.0.0.1", ports[(turn + offset) % len(ports)])
                return
        raise ConnectionRefusedError


class Lines:
    """Proxies for tests that have no loop of their own; all end with it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="the-lines")
        self._proxies: list[Proxy] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(close_all(self._proxies), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def to(self, target: int | Path, **options: Any) -> Proxy:
        """Begin a line to a server."""
        return self._begin(lambda: Proxy(target, **options))

    def among(self, ports: list[int]) -> Balancer:
        """Begin a line to several servers, each of which is as good as the others."""
        return self._begin(lambda: Balancer(ports))

    def _begin(self, make: Callable[[], P]) -> P:
        async def begin() -> P:
            return make()

        proxy = asyncio.run_coroutine_threadsafe(begin(), self._loop).result()
        self._proxies.append(proxy)
        return proxy


async def close_all(proxies: list[Proxy]) -> None:
    """End proxies of this loop; nothing of them is left when this returns."""
    for proxy in proxies:
        proxy.close()
    await asyncio.gather(*(task for proxy in proxies for task in proxy.beginning), return_exceptions=True)
    await asyncio.sleep(0)  # aborted transports close their sockets in the turn that follows
