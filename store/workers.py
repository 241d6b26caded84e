"""Which workers there are, as RQ knows them."""

from typing import Final, cast

import redis
from rq.worker_registration import get_keys

QUEUE: Final = "default"
"""The queue of jobs, which all of them listen on."""
WEBHOOKS: Final = "webhooks"
"""The queue of webhooks that are due; a worker that has no jobs to run may listen on this one alone."""


def count_workers(connection: redis.Redis) -> int:
    """Return how many living workers listen on our queue: each renews its entry, which dies with it."""
    return len(_slots(connection))


def count_slots(connection: redis.Redis) -> int:
    """Return how many jobs they can have under way at once: a stock worker one, others as many as they say."""
    return sum(_slots(connection))


def _slots(connection: redis.Redis) -> list[int]:
    known = get_keys(connection=connection)
    with connection.pipeline(transaction=False) as pipe:
        for key in known:
            pipe.hmget(key, "queues", "slots")
        listed = cast("list[tuple[bytes | None, bytes | None]]", pipe.execute())
    return [int(slots or 1) for queues, slots in listed if queues and QUEUE in queues.decode().split(",")]
