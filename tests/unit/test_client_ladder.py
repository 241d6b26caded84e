from __future__ import annotations

import math

import pytest

from client.ladder import CLIMBS, FLAPPING, KNOCK_S, ROADS, STEADY_S, Ladder, Road


def ladder(*roads: Road) -> Ladder:
    return Ladder(roads or ROADS, lambda: 0.5)


def fail(ladder: Ladder, road: Road, at_s: float, *, was_answered: bool = False, rest_s: float = 0.0) -> None:
    ladder.is_down(road, at_s, was_answered=was_answered, rest_s=rest_s)


def test_redis_is_tried_first_and_nothing_else_before_it_has_failed() -> None:
    roads = ladder()
    assert roads.to_try(0.0) is Road.REDIS
    assert roads.next_try_s() < 0.0


def test_the_next_road_is_tried_at_once_when_the_better_one_has_failed() -> None:
    roads = ladder()
    fail(roads, Road.REDIS, 1.0)
    assert roads.to_try(1.0) is Road.SSE


def test_the_next_road_is_tried_at_once_when_the_better_one_will_never_be() -> None:
    roads = ladder()
    roads.is_closed(Road.REDIS)
    assert roads.to_try(0.0) is Road.SSE


def test_on_the_best_road_there_is_nothing_to_try() -> None:
    roads = ladder()
    roads.is_up(Road.REDIS, 1.0)
    assert roads.to_try(1e9) is None
    assert roads.next_try_s() == math.inf


def test_without_any_road_there_is_nothing_to_try() -> None:
    assert ladder(Road.LONG_POLL).next_try_s() == math.inf


def test_while_nobody_answers_each_road_is_tried_again_within_two_seconds_however_long_it_takes() -> None:
    roads, now_s = ladder(), 0.0
    for _ in range(50):
        for road in (Road.REDIS, Road.SSE):
            fail(roads, road, now_s)
        assert KNOCK_S <= roads.next_try_s() - now_s <= KNOCK_S * 1.5 < 2
        now_s = roads.next_try_s()


def test_who_answers_that_it_cannot_be_now_is_pressed_ever_less() -> None:
    roads, now_s, pauses = ladder(Road.SSE), 0.0, []
    for _ in range(7):
        fail(roads, Road.SSE, now_s, was_answered=True)
        pauses.append(roads.next_try_s() - now_s)
        now_s = roads.next_try_s()
    assert pauses == pytest.approx([0.75, 1.5, 3, 6, 12, 22.5, 22.5])


def test_nobody_is_asked_again_sooner_than_he_wants_to_be() -> None:
    roads = ladder(Road.SSE)
    fail(roads, Road.SSE, 10.0, was_answered=True, rest_s=30.0)
    assert roads.to_try(39.9) is None
    assert roads.to_try(40.0) is Road.SSE


def test_a_better_road_is_tried_ever_more_seldom_while_a_lower_one_does() -> None:
    roads, now_s, pauses = ladder(), 0.0, []
    fail(roads, Road.REDIS, 0.0)
    roads.is_up(Road.SSE, 0.0)
    for _ in range(7):
        assert roads.to_try(roads.next_try_s()) is Road.REDIS
        pauses.append(roads.next_try_s() - now_s)
        now_s = roads.next_try_s()
        fail(roads, Road.REDIS, now_s)
    assert pauses == pytest.approx([1.5, 3, 6, 12, 24, 45, 45])
    assert max(pauses) <= CLIMBS.cap_s


def test_a_lost_line_is_asked_for_again_before_anything_lower_and_not_by_all_at_once() -> None:
    roads = ladder()
    roads.is_up(Road.REDIS, 0.0)
    roads.is_lost(100.0)
    assert roads.line is None
    assert roads.to_try(100.0) is None
    assert roads.next_try_s() == pytest.approx(100.375)
    assert roads.to_try(100.5) is Road.REDIS


def test_a_line_that_flaps_leaves_its_turn_to_the_next_and_is_tried_ever_more_seldom() -> None:
    roads, now_s = ladder(), 0.0
    for _ in range(FLAPPING):
        roads.is_up(Road.REDIS, now_s)
        roads.is_lost(now_s)
    assert roads.to_try(now_s) is Road.SSE
    roads.is_up(Road.SSE, now_s)
    assert roads.next_try_s() == pytest.approx(now_s + 0.75)


def test_a_line_that_was_up_for_long_has_not_flapped() -> None:
    roads = ladder()
    for at_s in (0.0, 100.0, 200.0):
        roads.is_up(Road.REDIS, at_s)
        roads.is_lost(at_s + STEADY_S)
    assert roads.to_try(200.0 + STEADY_S) is None


def test_the_loss_of_a_lower_line_has_the_better_one_tried_as_soon_as_if_there_were_none() -> None:
    roads = ladder()
    fail(roads, Road.REDIS, 0.0)
    roads.is_up(Road.SSE, 0.0)
    assert roads.to_try(1.3) is None
    roads.is_lost(1.3)
    assert roads.to_try(1.3) is Road.REDIS


def test_failures_of_a_line_before_it_came_up_do_not_count_when_it_is_lost() -> None:
    roads = ladder()
    fail(roads, Road.REDIS, 0.0)
    roads.is_up(Road.REDIS, 10.0)
    roads.is_lost(100.0)
    assert roads.to_try(100.0) is None
