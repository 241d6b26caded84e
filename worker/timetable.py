"""RQ's scheduler as one of a worker's own turns: it queues what was put off, `Retry(interval=…)` among it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, cast

import redis
from redis.exceptions import RedisError
from rq.queue import Queue
from rq.scheduler import RQScheduler

TURN_S: Final = 1.0


class Timetable:
    """Has a turn each second, in the process of the worker.

    RQ's own forks. The child of a process with greenlets would go on with all of them, and read the worker's line.
    """

    def __init__(self, queues: Sequence[Queue], connection: redis.Redis, serializer: object) -> None:
        self._rq: Any = cast("Any", RQScheduler)(
            queues, connection=connection, interval=int(TURN_S), serializer=serializer
        )
        self._rq._connection = connection  # noqa: SLF001 - it would make one of other parts
        self._is_known = False

    def turn(self) -> None:
        """Queue what is due on the queues that nobody else looks after. Raises RedisError."""
        if not self._is_known:
            self._rq.register_birth()
            self._is_known = True
        if self._rq.should_reacquire_locks:
            self._rq.acquire_locks()
        self._rq.heartbeat()
        self._rq.enqueue_scheduled_jobs()

    def close(self) -> None:
        """Leave the queues to others. While Redis is away, they are left by themselves within a minute."""
        with suppress(RedisError):
            self._rq.stop()
