"""Both faces of the client behind the blocking one's methods, so that one suite of sentences runs over both."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any, Self

from client import AsyncTranslationClient, TranslationClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Iterator


class Blocking:
    """TranslationClient."""

    name = "blocking"

    def connect(self, *args: Any, **options: Any) -> Any:
        return TranslationClient(*args, **options)

    def at_work(self) -> list[str]:
        """Return the names of what clients have running of their own."""
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("dubq")]

    def result(self, value: Any) -> Any:
        """Return what one of the client's inner methods has brought."""
        return value

    def close(self) -> None:
        assert self.at_work() == []


class Awaited:
    """AsyncTranslationClient, in a loop that runs in a thread of its own."""

    name = "awaited"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="the-loop")
        self._thread.start()

    def connect(self, *args: Any, **options: Any) -> Any:
        return Adapter(self, AsyncTranslationClient(*args, **options))

    def at_work(self) -> list[str]:
        async def names() -> list[str]:
            return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("dubq")]

        found: list[str] = self.result(names())
        return found

    def result(self, awaitable: Awaitable[Any]) -> Any:
        """Return what one of the client's inner methods has brought."""

        async def wrapped() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wrapped(), self._loop).result()

    def close(self) -> None:
        async def others() -> int:
            return len(asyncio.all_tasks()) - 1

        try:
            assert self.result(others()) == 0
        finally:
            self.result(self._loop.shutdown_asyncgens())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


class Adapter:
    """One client, called from any thread."""

    def __init__(self, face: Awaited, client: AsyncTranslationClient) -> None:
        self._face, self._client = face, client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)
        if not callable(member):
            return member

        def call(*args: Any, **options: Any) -> Any:
            outcome = member(*args, **options)
            return self._iterate(outcome) if inspect.isasyncgen(outcome) else self._face.result(outcome)

        return call

    def _iterate(self, news: AsyncGenerator[Any, None]) -> Iterator[Any]:
        try:
            while True:
                try:
                    each = self._face.result(anext(news))
                except StopAsyncIteration:
                    return
                yield each
        finally:
            self._face.result(news.aclose())


Face = Blocking | Awaited
FACES: tuple[type[Blocking | Awaited], ...] = (Blocking, Awaited)
