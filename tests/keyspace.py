"""All that a Redis holds, as one value that tests can compare."""

from typing import Any

import redis


def keyspace(connection: redis.Redis) -> dict[bytes, Any]:
    """Return every key with its value."""
    read = {
        b"string": connection.get,
        b"hash": connection.hgetall,
        b"list": lambda key: connection.lrange(key, 0, -1),
        b"set": connection.smembers,
        b"zset": lambda key: connection.zrange(key, 0, -1, withscores=True),
        b"stream": connection.xrange,
    }
    return {key: read[connection.type(key)](key) for key in connection.scan_iter()}
