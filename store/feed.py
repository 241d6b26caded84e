"""The feed: every change of a client's jobs, in the order in which it happened."""

import json
from dataclasses import dataclass
from typing import cast

import redis

from contract.job import Job

from . import keys


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: its place in the feed, and the job as it was from then on."""

    feed_id: str
    job: Job


def read(connection: redis.Redis, client_id: str, *, after: str = "0", count: int = 1000) -> list[Entry]:
    """Return up to `count` changes that come after the entry `after` ("0": from the oldest that is kept)."""
    rows = cast(
        "list[tuple[bytes, dict[bytes, bytes]]]",
        connection.xrange(keys.feed(client_id), min=f"({after}" if after != "0" else "-", count=count),
    )
    return [Entry(feed_id.decode(), Job.from_wire(json.loads(values[b"job"]), strict=True)) for feed_id, values in rows]
