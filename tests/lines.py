"""Lines that can be broken, for tests that have no event loop of their own; and how proxies of any loop end."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self

from proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


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

        async def begin() -> Proxy:
            return Proxy(target, **options)

        proxy = asyncio.run_coroutine_threadsafe(begin(), self._loop).result()
        self._proxies.append(proxy)
        return proxy


async def close_all(proxies: list[Proxy]) -> None:
    """End proxies of this loop; nothing of them is left when this returns."""
    for proxy in proxies:
        proxy.close()
    await asyncio.gather(*(task for proxy in proxies for task in proxy.beginning), return_exceptions=True)
    await asyncio.sleep(0)  # aborted transports close their sockets in the turn that follows
