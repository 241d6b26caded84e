"""Where jobs and feeds stand, read for all who wait for them in a few round trips: most have missed nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from . import feed, keys
from .records import seq_of


@dataclass(frozen=True, slots=True)
class Stands:
    """The `seq` of a job (0: there is none), or the place of the newest change of a client's jobs."""

    seq: int = 0
    feed_id: str = feed.START


def read(connection: redis.Redis, waited: Sequence[tuple[str, str]]) -> list[Stands | None]:
    """Return where each job (client_id, job_id) stands, or the feed of a client (client_id, "").

    None: what Redis holds there cannot be read so. Raises redis.RedisError where none of it can.
    """
    with connection.pipeline(transaction=False) as pipe:
        for client_id, job_id in waited:
            if job_id:
                pipe.hget(keys.record(keys.ref(client_id, job_id)), "version")
            else:
                pipe.xrevrange(keys.feed(client_id), count=1)
        found = pipe.execute(raise_on_error=False)
    return [_stands(each) for each in found]


def _stands(found: object) -> Stands | None:
    if isinstance(found, bytes):
        return Stands(seq=seq_of(found.decode()))
    if isinstance(found, list):
        return Stands(feed_id=found[0][0].decode()) if found else Stands()
    return Stands() if found is None else None
