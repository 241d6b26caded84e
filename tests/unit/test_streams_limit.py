"""How many streams a client may have open, in several processes together; on fakeredis and a real Valkey."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from contract.limits import NONE, Limit, TooManyStreamsError
from store import keys
from store.hub import Hub
from store.streams import Streams

if TYPE_CHECKING:
    import redis


class Process:
    """An API process, as far as its streams go."""

    def __init__(self, connection: redis.Redis, name: str, most: int | None = 3) -> None:
        self.here: Counter[str] = Counter()
        self.streams = Streams(connection, name, lambda: +self.here, most)

    def opens(self, client_id: str = "a") -> bool:
        """Whether a client may open one more."""
        try:
            self.streams.admit(client_id, self.here[client_id] + 1)
        except TooManyStreamsError:
            return False
        self.here[client_id] += 1
        return True

    def closes(self, client_id: str = "a") -> None:
        self.here[client_id] -= 1


@pytest.fixture
def two(connection: redis.Redis) -> tuple[Process, Process]:
    return Process(connection, "one"), Process(connection, "two")


def test_all_processes_together_let_a_client_have_as_many_as_it_may(two: tuple[Process, Process]) -> None:
    one, other = two
    assert [one.opens(), other.opens(), one.opens(), other.opens(), one.opens()] == [True, True, True, False, False]
    assert other.opens("b")


def test_what_one_has_closed_another_may_open_after_the_next_beat(two: tuple[Process, Process]) -> None:
    one, other = two
    assert [one.opens() for _ in range(3)] == [True] * 3
    one.closes()
    assert not other.opens()
    one.streams.beat()
    assert other.opens()
    one.closes()
    one.closes()
    one.streams.beat()
    assert [other.opens(), other.opens(), other.opens()] == [True, True, False]


def test_what_a_killed_process_had_open_is_forgotten(two: tuple[Process, Process], connection: redis.Redis) -> None:
    one, other = two
    assert [one.opens() for _ in range(3)] == [True] * 3
    assert 0 < connection.ttl(keys.api_process("one")) <= 5
    connection.delete(keys.api_process("one"))
    assert [other.opens() for _ in range(4)] == [True] * 3 + [False]


def test_what_redis_has_forgotten_is_said_again(two: tuple[Process, Process], connection: redis.Redis) -> None:
    one, other = two
    one.streams.beat()
    assert [one.opens() for _ in range(3)] == [True] * 3
    connection.flushall()
    for _ in range(10):
        one.streams.beat()
    assert not other.opens()


def test_a_limit_of_ones_own_counts_instead(connection: redis.Redis) -> None:
    connection.hset(keys.limits("a"), Limit.STREAMS, 1)
    connection.hset(keys.limits("b"), Limit.STREAMS, NONE)
    process = Process(connection, "one")
    assert [process.opens("a") for _ in range(2)] == [True, False]
    assert [process.opens("b") for _ in range(5)] == [True] * 5


def test_the_hub_counts_who_joins_and_keeps_nobody_who_is_refused() -> None:
    hub, asked = Hub(), []

    def admit(client_id: str, count: int) -> None:
        asked.append((client_id, count))
        if count > 2:
            raise TooManyStreamsError

    hub.guard(admit)
    first = hub.join("a", "j1")
    with hub.join("a"), hub.join("b"), pytest.raises(TooManyStreamsError):
        hub.join("a", "j2")
    assert asked == [("a", 1), ("a", 2), ("b", 1), ("a", 3)]
    assert (hub.open_here(), hub.waiting) == ({"a": 1}, 1)
    first.leave()
    first.leave()
    assert (hub.open_here(), hub.waiting) == ({}, 0)
