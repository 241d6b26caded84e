"""A listener that a test may use as long as it wants."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.listener import Listener
from store.standing import Stands

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from store.hub import Hub


@contextmanager
def listening(connection: redis.Redis, hub: Hub) -> Iterator[None]:
    """Feed the hub; begin once it is sure to be fed, which is when everyone is told where things stand."""
    listener = Listener(connection, hub, tick_s=0.02)
    with hub.join("default", "begin") as waiter:
        listener.start()
        assert isinstance(waiter.next(10), Stands)
    try:
        yield
    finally:
        listener.stop()
