"""Which workers there are, as RQ knows them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import redis
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE
from rq.worker_registration import get_keys

QUEUE: Final = "default"
"""The queue of jobs, which all of them listen on."""
WEBHOOKS: Final = "webhooks"
"""The queue of webhooks that are due; a worker that has no jobs to run may listen on this one alone."""
_KEY: Final = "rq:worker:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A living worker: how many jobs it can have under way at once, and how many deliveries of RQ's it `holds` now.

    A stock one has one slot, others as many as they say.
    """

    name: str
    queues: tuple[str, ...]
    host: str
    pid: int | None
    slots: int
    holds: int

    def to_wire(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self) | {"queues": list(self.queues)}


def count_workers(connection: redis.Redis) -> int:
    """Return how many living workers listen on our queue: each renews its entry, which dies with it."""
    return len(_slots(connection))


def count_slots(connection: redis.Redis) -> int:
    """Return how many jobs they can have under way at once."""
    return sum(_slots(connection))


def crew(connection: redis.Redis) -> Iterator[Worker]:
    """Yield all living workers, also those that have no jobs to run, by their names."""
    names = sorted(key.removeprefix(_KEY) for key in get_keys(connection=connection))
    with connection.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hmget(_KEY + name, "queues", "slots", "hostname", "pid")
            pipe.scard(WORKER_EXECUTIONS_KEY_TEMPLATE.format(name))
        found = pipe.execute()
    for name, (queues, slots, host, pid), holds in zip(names, found[::2], found[1::2], strict=True):
        if queues:
            yield Worker(
                name=name,
                queues=tuple(queues.decode().split(",")),
                host=(host or b"").decode(),
                pid=int(pid) if pid else None,
                slots=int(slots or 1),
                holds=holds,
            )


def _slots(connection: redis.Redis) -> list[int]:
    known = get_keys(connection=connection)
    with connection.pipeline(transaction=False) as pipe:
        for key in known:
            pipe.hmget(key, "queues", "slots")
        listed = cast("list[tuple[bytes | None, bytes | None]]", pipe.execute())
    return [int(slots or 1) for queues, slots in listed if queues and QUEUE in queues.decode().split(",")]
