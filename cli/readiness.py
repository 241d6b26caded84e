"""Asking the parts whether they are ready."""

import http.client
import json
import socket
from typing import Any, Final

from rq.worker_registration import get_keys

from store import keys
from store.clients import Clients
from store.settings import connect

HOST: Final = socket.gethostname().encode()
PATIENCE_S: Final = 2.0
OLDEST_REDIS: Final = 7


def redis_is_ready(url: str) -> bool:
    """Whether a Redis answers, and has read all its data. Raises RedisError, which says why not."""
    with connect(url, max_connections=1, timeout_s=PATIENCE_S) as connection:
        return bool(connection.ping())


def redis_version(url: str) -> int:
    """Return the first number of the Redis version that a server is compatible with. Raises RedisError."""
    with connect(url, max_connections=1, timeout_s=PATIENCE_S) as connection:
        found: Any = connection.info("server")
    return int(str(found["redis_version"]).split(".")[0])


def make_admin(url: str) -> str | None:
    """Return a token for the admin, which is shown once; None if there is one already. Raises RedisError."""
    with connect(url, max_connections=1, timeout_s=PATIENCE_S) as connection:
        return Clients(connection).make_admin()


def health(port: int) -> dict[str, Any] | None:
    """Return what the API says of itself at /readyz, ready or not; None if it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return found


def workers(port: int) -> int:
    """Return how many workers the API knows of; -1 if it does not answer."""
    found = health(port)
    return -1 if found is None else int(found.get("workers") or 0)


def busy(url: str) -> set[int]:
    """Return the pids of the workers on this machine that have jobs under way, as RQ knows them. Raises RedisError."""
    with connect(url, max_connections=1, timeout_s=PATIENCE_S) as connection:
        pipe = connection.pipeline(transaction=False)
        for key in get_keys(connection=connection):
            pipe.hmget(key, "hostname", "state", "pid")
        return {int(pid) for host, *state, pid in pipe.execute() if (host, *state) == (HOST, b"busy")}


def depths(url: str) -> dict[str, int]:
    """Return how many jobs are queued, wait for another try, and run; and webhooks that are owed. Raises RedisError."""
    with connect(url, max_connections=1, timeout_s=PATIENCE_S) as connection:
        pipe = connection.pipeline(transaction=False)
        for index in (keys.QUEUED, keys.DUE, keys.RUNNING, keys.OUTBOX):
            pipe.zcard(index)
        queued, due, running, owed = pipe.execute()
    return {"queued": queued, "retrying": due, "running": running, "webhooks": owed}
