"""The counts of the whole service: kept by Redis, so that any process can tell all of them."""

from pathlib import Path
from typing import Final, cast

import redis
from redis.client import Pipeline

from . import keys
from .measures import Counts
from .presence import run_of_server

BEGIN: Final = (Path(__file__).parent / "tally.lua").read_text("utf-8")
_SERVER: Final = b"server"


def put(pipe: Pipeline, counts: Counts) -> None:
    """Add counts to what `pipe` writes: they stand if that does, once however often it is sent."""
    for name, count in counts.items():
        pipe.hincrby(keys.TALLY, name, count)


def add(connection: redis.Redis, counts: Counts) -> None:
    """Add counts, all of them or none."""
    if counts:
        with connection.pipeline() as pipe:
            put(pipe, counts)
            pipe.execute()


def begin(connection: redis.Redis, server: str) -> None:
    """Let the counts be those of this run of the server.

    A Redis that comes back may have lost the last moment. A count that falls means to Prometheus that it began anew
    from nothing, so all there ever was would seem to happen just then: rather they do begin anew.
    """
    connection.register_script(BEGIN)(keys=[keys.TALLY], args=[server])


def read(connection: redis.Redis) -> dict[str, int]:
    """Return all counts since Redis was started."""
    server = run_of_server(connection)
    found = cast("dict[bytes, bytes]", connection.hgetall(keys.TALLY))
    if found.pop(_SERVER, server.encode()).decode() != server:
        return {}  # the next sweep deletes them
    return {name.decode(): int(count) for name, count in found.items()}
