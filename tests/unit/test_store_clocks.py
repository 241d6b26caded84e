"""Clocks in Redis: kept, moved, and heard of by those who follow them."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from service import eventually

from contract.clock import Clock
from store import keys
from store.clocks import ClockFollower, ClockStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import fakeredis
    import redis


@pytest.fixture
def clocks(connection: redis.Redis) -> ClockStore:
    return ClockStore(connection, lambda: 1000.0)


@pytest.fixture
def follower(connection: redis.Redis) -> Iterator[ClockFollower]:
    made = ClockFollower(connection, lambda: 1000.0)
    yield made
    made.close()


def test_a_clock_is_moved_from_where_it_stands(clocks: ClockStore) -> None:
    assert clocks.read("acme") == Clock()
    clocks.move("acme", lambda clock, real_s: clock.run(real_s, 0))
    moved = clocks.move("acme", lambda clock, real_s: clock.advance(real_s, 1800))
    assert clocks.read("acme") == moved
    assert moved.now_s(5000) == 2800
    assert clocks.read("other") == Clock()
    clocks.forget("acme")
    assert clocks.read("acme") == Clock()


def test_moves_at_once_all_count(clocks: ClockStore) -> None:
    clocks.move("acme", lambda clock, real_s: clock.run(real_s, 0))

    def advance() -> None:
        clocks.move("acme", lambda clock, real_s: clock.advance(real_s, 1))

    threads = [threading.Thread(target=advance) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clocks.read("acme").now_s(1000) == 1008


def test_whoever_follows_a_clock_is_woken_when_it_is_moved_and_only_then(
    clocks: ClockStore, follower: ClockFollower, connection: redis.Redis
) -> None:
    woken: Counter[str] = Counter()
    with (
        follower.follow("acme", lambda: woken.update(["acme"])) as acme,
        follower.follow("other", lambda: woken.update(["other"])) as other,
    ):
        eventually(lambda: woken["acme"])  # the subscription stands, so whoever was there looks again
        woken.clear()
        assert (acme.now_s(), acme.left_s(2800)) == (1000, 1800)
        clocks.move("acme", lambda clock, real_s: clock.advance(real_s, 1800))
        eventually(lambda: woken["acme"])
        assert (acme.now_s(), acme.left_s(2800), other.now_s()) == (2800, 0, 1000)
    clocks.move("acme", lambda clock, real_s: clock.advance(real_s, 1))
    with follower.follow("acme", lambda: None) as acme:
        eventually(lambda: acme.now_s() == 2801)
    assert woken == {"acme": 1}
    assert connection.pubsub_numsub(keys.CLOCKS) == [(keys.CLOCKS.encode(), 1)]


def test_a_clock_is_read_once_for_all_who_follow_it(clocks: ClockStore, follower: ClockFollower) -> None:
    ready = threading.Event()
    with follower.follow("acme", ready.set) as first:
        assert ready.wait(10)
        first.now_s()
        clocks._redis.set(keys.clock("acme"), Clock().run(1, 0).to_json())  # behind everybody's back
        with follower.follow("acme", lambda: None) as second:
            assert second.clock == first.clock == Clock()


def test_while_redis_is_away_time_goes_on_and_afterwards_it_is_read_again(
    server: fakeredis.FakeServer, fake: fakeredis.FakeRedis
) -> None:
    server.connected = False
    follower = ClockFollower(fake, lambda: 1000.0, again_s=0.01)
    woken = threading.Event()
    with follower.follow("acme", woken.set) as acme:
        assert acme.now_s() == 1000
        server.connected = True
        ClockStore(fake, lambda: 1000.0).move("acme", lambda clock, real_s: clock.advance(real_s, 5))
        assert woken.wait(10)
        eventually(lambda: acme.now_s() == 1005)
    follower.close()
