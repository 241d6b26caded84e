"""The limits of its own that a client has: kept in one hash, where every script that judges by them reads them."""

from collections.abc import Mapping
from typing import TypeAlias, cast

import redis
from redis.client import Pipeline

from contract.limits import PARSE, Limit, Rate
from contract.states import State

from . import keys

Own: TypeAlias = dict[Limit, Rate | int | None]
"""Limits of a client's own; None: there is none for it, whatever there is for others."""
Changes: TypeAlias = Mapping[Limit, str | None]
"""Limits to be set, as `to_text` writes them; None: it is as for others again."""


def change(pipe: Pipeline, client_id: str, changes: Changes) -> None:
    """Add to `pipe` what changes a client's limits; they hold from its next step on, and end nothing."""
    for limit, text in changes.items():
        if text is None:
            pipe.hdel(keys.limits(client_id), limit)
        else:
            pipe.hset(keys.limits(client_id), limit, text)


def used(connection: redis.Redis, client_id: str) -> dict[str, int]:
    """Return how many jobs a client has in the queue, and running."""
    with connection.pipeline(transaction=False) as pipe:
        for state in (State.QUEUED, State.RUNNING):
            pipe.zcard(keys.listing(client_id, state))
        queued, running = pipe.execute()
    return {Limit.QUEUED: queued, Limit.RUNNING: running}


def own(connection: redis.Redis, client_id: str) -> Own:
    """Return the limits of its own that a client has."""
    held = cast("dict[bytes, bytes]", connection.hgetall(keys.limits(client_id)))
    limits = {Limit(name.decode()): text.decode() for name, text in held.items()}
    return {limit: PARSE[limit](text) for limit, text in limits.items()}
