"""How many requests a client may make, counted by several processes together; on fakeredis and a real Valkey."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
import redis
from service import eventually

from contract.limits import NONE, Limit, Rate
from store import keys
from store.pace import Pace

if TYPE_CHECKING:
    from given import Clock


@pytest.fixture
def pace(connection: redis.Redis, clock: Clock) -> Pace:
    return Pace(connection, clock)


def let_through(pace: Pace, rate: Rate | None, tries: int, client_id: str = "a") -> int:
    """Return how many of so many requests are let through."""
    found = [pace.count(client_id, rate) for _ in range(tries)]
    return sum(each is None or not each.is_over for each in found)


@pytest.mark.parametrize("most", [1, 7, 100, 250, 3000])
def test_one_process_lets_through_as_many_as_the_rate_allows(pace: Pace, most: int) -> None:
    assert let_through(pace, Rate(most, 10), most + 50) == most


@pytest.mark.parametrize("most", [1, 7, 99])
def test_several_processes_let_through_as_many_together(connection: redis.Redis, clock: Clock, most: int) -> None:
    processes = [Pace(connection, clock) for _ in range(3)]
    assert sum(let_through(each, Rate(most, 10), 1) for _ in range(most) for each in processes) == most


def test_each_client_has_its_own(pace: Pace) -> None:
    assert [let_through(pace, Rate(3, 10), 5, client_id) for client_id in "ab"] == [3, 3]


def test_what_was_used_counts_for_as_long_as_the_window_and_no_longer_than_a_slot_more(
    pace: Pace, clock: Clock
) -> None:
    assert let_through(pace, Rate(2, 20), 2) == 2
    clock.pass_s(19.9)
    assert let_through(pace, Rate(2, 20), 1) == 0
    clock.pass_s(1.1)
    assert let_through(pace, Rate(2, 20), 5) == 2


def test_a_client_is_told_how_it_stands(pace: Pace, clock: Clock) -> None:
    rate = Rate(2, 20)
    first = pace.count("a", rate)
    assert first is not None
    assert (first.rate, first.left, first.again_s, first.is_over) == (rate, 1, 21, False)
    clock.pass_s(5)
    second, third = pace.count("a", rate), pace.count("a", rate)
    assert second is not None
    assert third is not None
    assert (second.left, third.left, third.again_s, third.is_over) == (0, 0, 16, True)


def test_a_limit_of_ones_own_counts_instead(pace: Pace, connection: redis.Redis) -> None:
    connection.hset(keys.limits("a"), Limit.REQUESTS, str(Rate(5)))
    connection.hset(keys.limits("b"), Limit.REQUESTS, NONE)
    assert [let_through(pace, rate, 20, client_id) for client_id in "abc" for rate in (None, Rate(3))] == [
        *(5, 0),
        *(20, 20),
        *(20, 20),  # there was no limit when it was asked last
    ]


def test_a_limit_that_changes_counts_within_a_second(pace: Pace, connection: redis.Redis, clock: Clock) -> None:
    assert let_through(pace, Rate(1, 3600), 3) == 1
    connection.hset(keys.limits("a"), Limit.REQUESTS, str(Rate(4, 3600)))
    clock.pass_s(1)
    assert let_through(pace, Rate(1, 3600), 9) == 3


def test_what_a_process_has_left_over_is_for_all_again(connection: redis.Redis, clock: Clock) -> None:
    one, other = Pace(connection, clock), Pace(connection, clock)
    rate = Rate(2000, 20)
    assert let_through(one, rate, 40) == 40
    clock.pass_s(1)
    assert let_through(one, rate, 1) == 1
    taken = sum(int(count) for count in connection.hvals(keys.pace("a")))
    assert 41 <= taken <= 41 + 20
    assert let_through(other, rate, 3000) == 2000 - taken


def test_most_requests_of_a_busy_client_cost_no_round_trip(
    pace: Pace, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    ask = Pace._ask
    monkeypatch.setattr(Pace, "_ask", lambda *words: asked.append(words) or ask(*words))
    assert let_through(pace, Rate(10_000, 10), 5000) == 5000
    assert len(asked) < 60
    assert connection.pttl(keys.pace("a")) > 9000


def test_who_is_refused_costs_none_either(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert let_through(pace, Rate(3, 60), 4) == 3
    monkeypatch.setattr(Pace, "_ask", None)
    assert let_through(pace, Rate(3, 60), 100) == 0


def test_a_clock_that_is_set_back_locks_nobody_out_for_longer_than_the_window(
    pace: Pace, clock: Clock, connection: redis.Redis
) -> None:
    assert let_through(pace, Rate(3), 5) == 3
    clock.pass_s(-3600)
    assert let_through(pace, Rate(3), 5) == 0
    assert 0 < connection.pttl(keys.pace("a")) <= 1050


def test_what_is_left_over_of_a_slot_lets_nobody_through_in_a_later_window(
    connection: redis.Redis, clock: Clock
) -> None:
    one, other = Pace(connection, clock), Pace(connection, clock)
    rate = Rate(500, 20)
    assert let_through(one, rate, 4) == 4  # it has taken one, two and four
    clock.pass_s(21)
    assert let_through(other, rate, 600) == 500
    assert let_through(one, rate, 5) == 0


def test_who_waits_for_the_same_answer_of_a_redis_that_hangs_waits_once(connection: redis.Redis) -> None:
    asked, hangs = [], Event()

    class Hanging(Pace):
        def _ask(self, *words: Any) -> Any:
            asked.append(words)
            hangs.wait(10)
            raise redis.TimeoutError

    pace = Hanging(connection)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(pace.count, "a", Rate(5))
        eventually(lambda: asked)
        others = [pool.submit(pace.count, "a", Rate(5)) for _ in range(7)]
        eventually(lambda: all(each.running() for each in others))
        hangs.set()
        errors = [each.exception(10) for each in (first, *others)]
    assert all(isinstance(each, redis.TimeoutError) for each in errors)
    assert len(asked) < 8
