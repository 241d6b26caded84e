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
    known = get_keys(connection=connection)
    with connection.pipeline(transaction=False) as pipe:
        for key in known:
            pipe.hget(key, "queues")
        listed = cast("list[bytes | None]", pipe.execute())
    return sum(QUEUE in queues.decode().split(",") for queues in listed if queues)
