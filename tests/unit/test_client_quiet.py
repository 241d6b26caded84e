"""A look of which nothing comes is asked anew, soon at first and then ever more patiently."""

from __future__ import annotations

import pytest
from worlds import AWAY, COMPLETED, QUEUED, RUNNING, SILENT, World, run

from client.patience import Push
from client.quiet import LEAST_QUIET_S, QUIET_FACTOR, Quiet
from client.steps import Send


def test_who_answers_slowly_is_given_more_time_and_never_more_than_the_caller_gives() -> None:
    quiet = Quiet(most_s=10.0)
    assert quiet.within_s == LEAST_QUIET_S
    quiet.took_s = 1.5
    assert quiet.within_s == 1.5 * QUIET_FACTOR
    quiet.took_s = 9.0
    assert quiet.within_s == 10.0


def test_each_silence_doubles_the_patience_until_somebody_speaks() -> None:
    quiet = Quiet(most_s=10.0)
    found = []
    for _ in range(2000):
        found.append(quiet.within_s)
        quiet.note(SILENT)
    assert found[:5] == [1.0, 2.0, 4.0, 8.0, 10.0]
    assert found[-1] == 10.0
    quiet.note(AWAY)
    assert quiet.within_s == LEAST_QUIET_S


def test_one_slow_answer_makes_nobody_bear_a_silence_for_long() -> None:
    quiet = Quiet(most_s=10.0, took_s=0.9)
    quiet.note(SILENT)
    assert quiet.within_s == 2.0


@pytest.mark.parametrize("polled", [0, 5])
def test_a_look_that_is_not_answered_is_asked_anew_after_a_second_however_long_one_has_polled(polled: int) -> None:
    world = World(*[QUEUED] * polled, SILENT, COMPLETED)
    run(world, Push.NEVER)
    *_, silent_s, again_s = world.times(Send)
    assert again_s - silent_s == pytest.approx(LEAST_QUIET_S)


def test_a_service_that_needs_three_seconds_for_an_answer_gives_it_in_the_end() -> None:
    world = World(RUNNING, COMPLETED, took_s=3.0)
    assert run(world, Push.NEVER) == COMPLETED
    first_s, second_s, third_s, *rest_s = world.times(Send)
    assert (first_s, second_s, third_s) == pytest.approx((0.0, 1.0, 3.0))
    assert len(rest_s) == 1  # which knows by then what an answer takes


def test_a_silent_service_is_not_asked_more_often_than_one_that_refuses() -> None:
    world = World(*[SILENT] * 12, COMPLETED)
    run(world, Push.NEVER)
    assert world.times(Send)[-1] > 60
