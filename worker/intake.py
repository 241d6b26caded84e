"""How a concurrent worker comes by its jobs: in batches, and told at once when there is something to take."""

from collections.abc import Callable, Sequence
from typing import Final

import gevent
from gevent.event import Event
from redis.exceptions import RedisError
from rq import Queue

from contract.backoff import Backoff
from store.deliveries import Deliveries, Taken

BATCH: Final = 250
"""Deliveries that are taken at once: a script that takes more would keep others waiting."""
LOOK_S: Final = 1.0
"""How long to wait for a delivery before looking whether workers were suspended."""
AWAY: Final = Backoff(first_s=0.1, factor=2, cap_s=2)


class Intake:
    """Takes deliveries off queues. `is_suspended` says whether the last look found workers suspended."""

    def __init__(
        self, deliveries: Deliveries, queues: Sequence[Queue], note_away: Callable[[RedisError], None]
    ) -> None:
        self._deliveries, self._queues, self._note_away = deliveries, queues, note_away
        self._hungry, self._bell = Event(), Event()
        self._tries = 0
        self.is_suspended = False
        self._watches = [gevent.spawn(self._watch, queue) for queue in queues]

    def close(self) -> None:
        """Watch no longer."""
        gevent.killall(self._watches)

    def wake(self) -> None:
        """End a wait that is under way."""
        self._bell.set()

    def take(self, queues: Sequence[Queue], most: int) -> list[Taken]:
        """Take what is there of these queues; nothing while workers are suspended or Redis is away."""
        try:
            found = self._deliveries.take(queues, min(most, BATCH))
        except RedisError as error:
            self._tries += 1
            self._note_away(error)
            return []
        self._tries, self.is_suspended = 0, found is None
        return found or []

    def wait(self) -> None:
        """Wait until there may be something to take again."""
        self._bell.clear()
        if self._tries:
            self._bell.wait(AWAY.pause_s(self._tries, 1.0))
            return
        if not self.is_suspended:
            self._hungry.set()
        self._bell.wait(LOOK_S)

    def _watch(self, queue: Queue) -> None:
        """Ring when the queue has something in it, while we are hungry."""
        while True:
            self._hungry.wait()
            try:
                there = self._deliveries.await_one(queue, LOOK_S)
            except RedisError:
                gevent.sleep(LOOK_S)
                continue
            if there:
                self._hungry.clear()
                self._bell.set()
