"""A worker process's sign of life: a subscription of its own, which ends with the process.

The kernel closes what a killed process had open, so Redis knows at once that nobody is subscribed any more, whatever
killed it and however long its leases last. A frozen process stays subscribed, and runs into its leases.
"""

import threading
from typing import Final, Self, cast
from uuid import uuid4

import redis
from redis.client import PubSub
from redis.exceptions import RedisError

from . import keys

ANSWER_S: Final = 2.0
"""How long to wait for Redis to confirm the subscription."""


class Presence:
    """Says that this process is there, under the name `holder`: one for all runs that the process holds.

    To be made after the last fork. Its connection comes from `connection`'s pool, and stays taken.
    """

    def __init__(self, connection: redis.Redis, holder: str | None = None) -> None:
        self._redis, self._holder = connection, holder or uuid4().hex
        self._line: PubSub | None = None
        self._busy = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def announce(self) -> str:
        """Return the name that Redis knows this process by; "" if it cannot be had now, or is not allowed.

        Runs without such a name are protected by their leases alone.
        """
        self.keep()
        return self._holder if self._line else ""

    def keep(self) -> None:
        """See to it that the subscription stands. Costs no round trip while it does; any thread may call it."""
        if not self._busy.acquire(blocking=False):
            return  # another thread is at it
        try:
            self._line = self._line or self._subscribed()
            while self._line.get_message(timeout=0):  # it subscribes again by itself if it was cut off
                pass
        except RedisError:
            self._drop()  # the next beat tries again
        finally:
            self._busy.release()

    def close(self) -> None:
        """Give the connection back: whoever holds runs under this name now has left them."""
        with self._busy:
            self._drop()

    def _subscribed(self) -> PubSub:
        line: PubSub = self._redis.pubsub()  # type: ignore[no-untyped-call]  # redis-py has no hint here
        try:
            line.subscribe(keys.presence(self._holder))
            line.get_message(timeout=ANSWER_S)
        except BaseException:
            line.close()
            raise
        return line

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None


def present(connection: redis.Redis, holders: set[str]) -> set[str]:
    """Return which of `holders` are there. Raises ResponseError if Redis does not let us ask."""
    if not holders:
        return set()
    names = {keys.presence(holder): holder for holder in holders}
    counted = cast("list[tuple[bytes, int]]", connection.pubsub_numsub(*names))
    return {names[channel.decode()] for channel, listening in counted if listening}
