"""What a Redis holds, as values that tests can compare."""

from typing import Any

import redis

from contract.states import State
from store import feed
from store.keys import TALLY

COUNTS = (b"dubq:pace:", b"dubq:wrong-tokens:", b"dubq:met:", TALLY.encode())


def keyspace(connection: redis.Redis) -> dict[bytes, Any]:
    """Return every key with its value, save those that only count: they go on, and are about no job."""
    read = {
        b"string": connection.get,
        b"hash": connection.hgetall,
        b"list": lambda key: connection.lrange(key, 0, -1),
        b"set": connection.smembers,
        b"zset": lambda key: connection.zrange(key, 0, -1, withscores=True),
        b"stream": connection.xrange,
    }
    return {key: read[connection.type(key)](key) for key in connection.scan_iter() if not key.startswith(COUNTS)}


def told(connection: redis.Redis) -> list[tuple[str, int, State]]:
    """Return what the feed has told, each change as its job_id, seq and state."""
    return [(each.job.job_id, each.job.seq, each.job.state) for each in feed.read(connection, "default")]
