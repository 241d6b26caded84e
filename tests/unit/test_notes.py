"""What is noted of a delivery is what RQ itself would note."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import pytest
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from store.keys import Ref
from store.notes import TASK, Notes
from store.settings import StoreSettings
from store.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from redis.client import Pipeline

TIMES = (b"created_at", b"enqueued_at")


@pytest.fixture
def notes(connection: redis.Redis) -> Notes:
    return Notes(Turns(connection, StoreSettings()).queue, 900)


def written(connection: redis.Redis, ref: Ref, add: Callable[[Pipeline, Ref], None]) -> dict[Any, Any]:
    """Return what Redis holds after it, times by their lengths alone, and the call as it will be read."""
    connection.flushall()
    with connection.pipeline() as pipe:
        pipe.multi()
        add(pipe, ref)
        pipe.execute()
    held: dict[Any, Any] = connection.hgetall(f"rq:job:{ref}")  # type: ignore[assignment]
    held |= {name: len(held[name]) for name in TIMES} | {b"data": zlib.decompress(held[b"data"])}
    return held | {"keys": sorted(connection.keys()), "queues": connection.smembers("rq:queues")}  # type: ignore[type-var]


@pytest.mark.parametrize("ref", [Ref("a"), Ref("__acme_data"), Ref("created_at"), Ref("x" * 99)])
def test_a_copy_is_what_rq_would_write(connection: redis.Redis, notes: Notes, ref: Ref) -> None:
    assert written(connection, ref, notes.add) == written(connection, ref, notes.as_rq_does)


def test_rq_reads_the_call_from_it(connection: redis.Redis, notes: Notes) -> None:
    for ref in (Ref("first"), Ref("second")):
        written(connection, ref, notes.add)
        delivery = RqJob.fetch(ref, connection=connection, serializer=JSONSerializer)
        assert (delivery.func_name, delivery.args, delivery.kwargs) == (TASK, [ref], {})
        assert (delivery.timeout, delivery.description) == (900, f"translate {ref}")
        assert delivery.enqueued_at


def test_nothing_is_left_of_an_earlier_delivery(connection: redis.Redis, notes: Notes) -> None:
    connection.hset("rq:job:a", "ended_at", "2026-01-01T00:00:00.000000Z")
    connection.expire("rq:job:a", 60)
    with connection.pipeline() as pipe:
        pipe.multi()
        notes.add(pipe, Ref("a"))
        pipe.execute()
    assert (connection.hget("rq:job:a", "ended_at"), connection.ttl("rq:job:a")) == (b"", -1)
