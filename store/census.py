"""How the service stands at one moment: what waits and runs, and who is there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import redis

from contract.job import Priority

from . import keys
from .workers import count_slots, count_workers

SILENT_MS: Final = 5_000
"""An API process speaks up each second; one that has not for so long is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What was found. `oldest_s` is for how long the job of a priority that waits longest has; 0 if there is none."""

    queued: Mapping[str, int]
    oldest_s: Mapping[str, float]
    retrying: int
    running: int
    kept: int
    owed: int
    workers: int
    slots: int
    processes: int
    streams: int
    swept_s: float | None


def take(connection: redis.Redis, now_ms: int) -> Census:
    """Look once. `swept_s` is how long ago somebody has swept, None if nobody has yet."""
    with connection.pipeline(transaction=False) as pipe:
        for priority in Priority:
            pipe.zcard(keys.waiting(priority))
            pipe.zrange(keys.waiting(priority), 0, 0, withscores=True)
        for index in (keys.DUE, keys.RUNNING, keys.FINISHED, keys.OUTBOX):
            pipe.zcard(index)
        pipe.hget(keys.SWEPT, "last")
        pipe.hgetall(keys.PROCESSES)
        *waiting, retrying, running, kept, owed, swept, processes = pipe.execute()
    firsts = zip(Priority, waiting[1::2], strict=True)
    alive = living(processes, now_ms)
    return Census(
        queued=dict(zip(Priority, waiting[::2], strict=True)),
        oldest_s={priority: max(0.0, (now_ms - first[0][1]) / 1000) if first else 0.0 for priority, first in firsts},
        retrying=retrying,
        running=running,
        kept=kept,
        owed=owed,
        workers=count_workers(connection),
        slots=count_slots(connection),
        processes=len(alive),
        streams=sum(int(each.get("streams", 0)) for each in alive.values()),
        swept_s=None if swept is None else max(0.0, (now_ms - int(swept)) / 1000),
    )


Note: TypeAlias = dict[str, Any]
"""What an API process says of itself: `at_ms`, when it did so, and how many `streams` it has open."""


def living(kept: Mapping[bytes, bytes], now_ms: int) -> dict[str, Note]:
    """Return the notes of the processes that have spoken up lately."""
    notes = {name.decode(): cast("Note", json.loads(note)) for name, note in kept.items()}
    return {name: note for name, note in notes.items() if now_ms - note["at_ms"] < SILENT_MS}


def speak_up(connection: redis.Redis, name: str, now_ms: int, streams: int) -> None:
    """Have it noted that the API process of this name lives; forget those that were killed."""
    kept = cast("dict[bytes, bytes]", connection.hgetall(keys.PROCESSES))
    dead = {each.decode() for each in kept} - set(living(kept, now_ms)) - {name}
    with connection.pipeline() as pipe:
        if dead:
            pipe.hdel(keys.PROCESSES, *dead)
        pipe.hset(keys.PROCESSES, name, json.dumps({"at_ms": now_ms, "streams": streams}))
        pipe.execute()


def fall_silent(connection: redis.Redis, name: str) -> None:
    """Forget an API process that ends."""
    connection.hdel(keys.PROCESSES, name)
