"""A Redis client for many greenlets: what they ask in one turn of the loop goes out together, as one pipeline."""

from typing import Any, Final, Self

import gevent
import greenlet
import redis
from gevent.event import AsyncResult
from redis.exceptions import RedisError
from redis.sentinel import SentinelConnectionPool

from store.ledger import Ledger
from store.presence import Presence
from store.settings import StoreSettings

from .line import Chances
from .pulse import Pulse
from .tasks import COMMAND_S, Shared, quick_words

CONNECTIONS: Final = 16
"""Enough for any number of greenlets: most of what they ask shares one connection."""
BLOCKING: Final = frozenset({"BLMOVE"})
"""Commands that make others wait behind them: each has a connection to itself."""

calling: Final[set[greenlet.greenlet]] = set()
"""The greenlets that wait for an answer just now. Whoever is interrupted there does not know what has been done."""


class Carrier(Shared):
    """Carries single commands in batches; pipelines and subscriptions go their own ways.

    A command behaves as ever for its caller, who waits for its own answer and gets its own error; if the connection
    fails, all callers of the batch get that error.
    """

    chances = Chances(spawn=gevent.spawn)
    _asked: list[tuple[tuple[Any, ...], dict[str, Any], "AsyncResult[Any]"]]
    _carries: bool

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
        carrier = cls(connection_pool=pool)
        carrier._asked, carrier._carries = [], False
        return carrier

    def share(self, settings: StoreSettings) -> None:
        """Make what the runs of this process have in common: they share what is known of other jobs, and a pulse."""
        self.ledger = Ledger(self, settings)
        self.presence = Presence(self)
        self.pulse = Pulse(self.ledger, self.presence)

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Do what redis-py's own does, together with what others ask."""
        if args[0] in BLOCKING:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        answer: AsyncResult[Any] = AsyncResult()
        self._asked.append((args, options, answer))
        if not self._carries:
            self._carries = True
            gevent.spawn(self._carry)
        me = gevent.getcurrent()
        calling.add(me)
        try:
            return answer.get()
        finally:
            calling.discard(me)

    def _carry(self) -> None:
        """Carry batches until nobody asks any more. While one is under way, the next one gathers."""
        try:
            while self._asked:
                batch, self._asked = self._asked, []
                for (*_, answer), reply in zip(batch, self._replies(batch), strict=True):
                    if isinstance(reply, Exception):
                        answer.set_exception(reply)
                    else:
                        answer.set(reply)
        finally:
            self._carries = False

    def _replies(self, batch: list[tuple[tuple[Any, ...], dict[str, Any], "AsyncResult[Any]"]]) -> list[Any]:
        with self.pipeline(transaction=False) as pipe:
            for args, options, _ in batch:
                pipe.execute_command(*args, **options)  # type: ignore[no-untyped-call]
            try:
                return pipe.execute(raise_on_error=False)
            except RedisError as error:
                return [error] * len(batch)
