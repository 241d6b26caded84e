import math

import pytest

from contract.clock import MOST_TURNS, Clock

REAL = Clock()


def test_a_clock_that_nobody_touched_shows_real_time() -> None:
    assert (REAL.now_s(1000), REAL.at_s(900), REAL.left_s(1030, 1000)) == (1000, 900, 30)
    assert (REAL.speed, REAL.is_touched, REAL.is_frozen) == (1, False, False)


def test_a_frozen_clock_stands_still_until_it_is_put_forward() -> None:
    frozen = REAL.run(1000, 0)
    assert (frozen.now_s(5000), frozen.left_s(1001, 5000)) == (1000, math.inf)
    ahead = frozen.advance(6000, 1800)
    assert (ahead.now_s(6000), ahead.now_s(9000), ahead.is_frozen) == (2800, 2800, True)
    assert (ahead.left_s(2800, 9000), ahead.left_s(2801, 9000)) == (0, math.inf)


def test_a_clock_with_a_speed_goes_so_many_times_as_fast() -> None:
    fast = REAL.run(1000, 60)
    assert (fast.now_s(1001), fast.left_s(1600, 1005)) == (1060, 5)
    assert fast.advance(1001, 40).now_s(1002) == 1160
    slowed = fast.run(1010, 1)
    assert slowed.now_s(1011) == 1601


def test_it_knows_what_it_showed_at_any_time_before() -> None:
    clock = REAL.run(1000, 0).advance(2000, 1800).run(3000, 10)
    shown = {900: 900, 1000: 1000, 1500: 1000, 2000: 1000, 2000.001: 2800, 3000: 2800, 3001: 2810}
    assert {real_s: clock.at_s(real_s) for real_s in shown} == shown


def test_what_another_hosts_clock_calls_the_past_does_not_undo_the_last_turn() -> None:
    assert REAL.run(1000, 0).advance(2000, 1800).now_s(1999) == 2800


def test_turns_of_long_ago_are_forgotten() -> None:
    clock = REAL.run(0, 0)
    for at in range(MOST_TURNS + 10):
        clock = clock.advance(at, 1)
    assert len(clock.turns) == MOST_TURNS
    assert clock.now_s(10**6) == MOST_TURNS + 10
    assert clock.at_s(5) <= clock.turns[0].shown_s


@pytest.mark.parametrize("clock", [REAL, REAL.run(1.5, 0), REAL.run(1, 60).advance(2, 0.25)])
def test_a_clock_is_kept_as_json(clock: Clock) -> None:
    assert Clock.from_json(clock.to_json()) == clock
