"""A Redis client for the greenlets of one process, none of which is interrupted while it waits for an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import gevent
import redis
from redis.sentinel import SentinelConnectionPool

from store import carrier
from store.ledger import Ledger
from store.presence import Presence

from .line import Chances
from .pulse import Pulse
from .tasks import COMMAND_S, Shared, quick_words

if TYPE_CHECKING:
    import greenlet
    from gevent.event import AsyncResult

    from store.carrier import Answer
    from store.settings import StoreSettings

CONNECTIONS: Final = 16
"""Enough for any number of greenlets: most of what they ask shares one connection."""

calling: Final[set[greenlet.greenlet]] = set()
"""The greenlets that wait for an answer just now. Whoever is interrupted there does not know what has been done."""


class Carrier(Shared, carrier.Carrier):
    """Carries what many runs of one process ask."""

    chances = Chances(spawn=gevent.spawn)

    @classmethod
    def like(cls, connection: redis.Redis) -> Self:
        """Return a carrier to the same Redis, whose calls fail within seconds."""
        pool = connection.connection_pool
        if not isinstance(pool, SentinelConnectionPool):  # made of more than its keyword arguments
            pool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]  # redis-py has no hint here
                max_connections=CONNECTIONS,
                timeout=COMMAND_S,
                connection_class=pool.connection_class,
                **quick_words(pool),
            )
        return cls(pool)

    def share(self, settings: StoreSettings) -> None:
        """Make what the runs of this process have in common: they share what is known of other jobs, and a pulse."""
        self.ledger = Ledger(self, settings)
        self.presence = Presence(self)
        self.pulse = Pulse(self.ledger, self.presence)

    def _wait_for(self, answers: AsyncResult[list[Answer]]) -> list[Answer]:
        me = gevent.getcurrent()
        calling.add(me)
        try:
            return super()._wait_for(answers)
        finally:
            calling.discard(me)
