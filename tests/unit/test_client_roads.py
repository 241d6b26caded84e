"""Which road a wait takes, when it changes to another, and what each costs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from worlds import AWAY, COMPLETED, GONE, QUEUED, RUNNING, SILENT, World, job, run

from client.driver import drive, finish
from client.http import Answer
from client.ladder import Road
from client.patience import Push
from client.quiet import LEAST_QUIET_S
from client.stalls import LEAST_WARN_S, WARN_FACTOR
from client.steps import Line, Listen, Pause, Send, Warn
from client.waiting import HOLD_S, Terms, wait
from client.watch import GRACE_S, MOST_LEAD_S, SNAPSHOT_S
from contract.errors import WaitTimeoutError
from contract.job import Eta, Job
from contract.states import State

HELD = f"wait={HOLD_S}; until=done; ping=1"


def never(_: float) -> Line:
    return Line.NONE


def down(_: float) -> Line:
    return Line.DOWN


def up(_: float) -> Line:
    return Line.UP


# Server-sent events.


def test_without_redis_events_tell_all_and_no_look_is_needed() -> None:
    world = World(pushes=[(0.01, QUEUED), (30.0, RUNNING), (60.0, COMPLETED)], line_at=never, events_at=up)
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert [road for _, road in world.tried()] == [Road.REDIS, Road.SSE]
    assert (world.times(Send), world.now_s) == ([], 60.0)


def test_events_that_do_not_begin_with_the_job_as_it_is_are_helped_by_a_look() -> None:
    world = World(RUNNING, pushes=[(60.0, COMPLETED)], line_at=never, events_at=up)
    run(world, Push.IF_OFFERED)
    assert world.times(Send) == [SNAPSHOT_S, pytest.approx(SNAPSHOT_S + 40)]


def test_a_shared_stream_does_not_begin_with_the_job_as_it_is_so_there_is_a_look_at_once() -> None:
    world = World(RUNNING, pushes=[(60.0, COMPLETED)], line_at=never, events_at=lambda _: Line.BEHIND)
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert world.times(Send)[0] == 0.0


def test_a_snapshot_that_is_no_news_is_a_look_all_the_same() -> None:
    world = World(
        RUNNING, pushes=[(0.1, RUNNING), (5.0, None), (5.6, RUNNING), (20.0, COMPLETED)], line_at=never, events_at=up
    )
    run(world, Push.IF_OFFERED)
    assert world.times(Send) == []
    assert len(world.tried()) == 3


def test_a_job_that_began_another_life_is_believed_when_a_stream_begins_with_it() -> None:
    late = job(State.RUNNING, 1, updated_at=COMPLETED.updated_at.replace(year=2027))
    pushes = [(0.1, job(State.RUNNING, 9)), (5.0, None), (5.6, late), (20.0, job(State.COMPLETED, 2))]
    world = World(RUNNING, pushes=pushes, line_at=never, events_at=up)
    assert run(world, Push.IF_OFFERED).seq == 2


def test_redis_is_tried_while_events_tell_and_taken_when_it_is_there() -> None:
    world = World(
        QUEUED,
        pushes=[(0.01, QUEUED), (60.0, COMPLETED)],
        line_at=lambda at_s: Line.UP if at_s > 10 else Line.DOWN,
        events_at=up,
    )
    run(world, Push.IF_OFFERED)
    assert world.tried()[:2] == [(0.0, Road.REDIS), (0.0, Road.SSE)]
    later = [(round(at_s), road) for at_s, road in world.tried()[2:]]
    assert later == [(2, Road.REDIS), (6, Road.REDIS), (14, Road.REDIS)]
    assert world.times(Send) == [pytest.approx(14, abs=0.1)]


def test_when_redis_is_lost_events_take_over_once_it_has_been_seen_to_be_away() -> None:
    world = World(
        RUNNING,
        pushes=[(10.0, None), (11.0, RUNNING), (12.0, COMPLETED)],
        line_at=lambda at_s: Line.DOWN if at_s >= 10 else Line.UP,
        events_at=up,
    )
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert world.tried()[1:3] == [(pytest.approx(10.5, abs=0.01), road) for road in (Road.REDIS, Road.SSE)]
    assert world.now_s == 12.0


def test_a_line_is_found_again_within_two_seconds_however_long_it_was_away() -> None:
    world = World(
        AWAY,
        pushes=[(700.5, COMPLETED)],
        line_at=lambda at_s: Line.UP if at_s >= 700 else Line.DOWN,
        events_at=down,
    )
    run(world, Push.IF_OFFERED)
    assert world.tried()[-1][0] < 702


def test_a_line_that_should_have_said_something_is_helped_by_a_look_and_stays() -> None:
    world = World(RUNNING, RUNNING, COMPLETED, quiet={5.0, 12.0})
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert world.times(Send) == [0.0, 5.0, 12.0]
    assert world.tried() == [(0.0, Road.REDIS)]


def test_a_subscriber_wants_redis_and_nothing_else() -> None:
    world = World(RUNNING, RUNNING, COMPLETED, line_at=down, events_at=up, holds=True)
    run(world, Push.ALWAYS)
    assert {road for _, road in world.tried()} == {Road.REDIS}
    assert set(world.wishes()) == {None}


@pytest.mark.parametrize("road", [Road.REDIS, Road.SSE])
def test_a_road_that_the_caller_rules_out_is_never_tried(road: Road) -> None:
    world = World(QUEUED, COMPLETED, line_at=never, events_at=never)
    run(world, Push.IF_OFFERED, roads=tuple(each for each in Road if each is not road))
    assert road not in {tried for _, tried in world.tried()}


# Answers that are held.


def test_a_job_of_a_minute_costs_two_held_answers_and_no_snapshot() -> None:
    world = World(RUNNING, pushes=[(10.0, RUNNING), (60.0, COMPLETED)], line_at=never, holds=True)
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert world.times(Send) == [0, HOLD_S]
    assert world.wishes() == [HELD] * 2
    assert world.now_s == 60.0


def test_who_wants_to_see_progress_looks_first_and_is_answered_at_every_change() -> None:
    world = World(QUEUED, pushes=[(1.0, RUNNING), (2.0, COMPLETED)], line_at=never, holds=True)
    run(world, Push.IF_OFFERED, wants_progress=True)
    assert world.wishes() == [None, f"wait={HOLD_S}; ping=1", f"wait={HOLD_S}; ping=1"]
    assert (world.told(), world.now_s) == ([1, 2, 3], 2.0)


def test_a_held_answer_that_falls_silent_is_followed_by_a_look_and_by_one_that_is_held_again() -> None:
    world = World(SILENT, RUNNING, Answer(value=COMPLETED, hold_s=55.0), line_at=never)
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert world.wishes() == [HELD, None, HELD]
    assert world.now_s == LEAST_QUIET_S


def test_where_no_pings_come_through_answers_are_held_without() -> None:
    world = World(SILENT, RUNNING, SILENT, RUNNING, Answer(value=COMPLETED, hold_s=55.0), line_at=never)
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert world.wishes() == [HELD, None, HELD, None, HELD.removesuffix("; ping=1")]


def test_a_held_answer_that_cannot_be_had_is_knocked_for_about_once_a_second() -> None:
    world = World(*[GONE] * 20, COMPLETED, line_at=never)
    run(world, Push.IF_OFFERED, roads=(Road.LONG_POLL,))
    gaps = [after - before for before, after in pairwise(world.times(Send))]
    assert all(1.0 <= gap <= 1.5 for gap in gaps)


def test_where_answers_are_not_held_the_job_is_polled_for_and_the_wish_not_repeated() -> None:
    world = World(QUEUED, RUNNING, RUNNING, COMPLETED, line_at=never)
    run(world, Push.IF_OFFERED)
    assert world.times(Send) == pytest.approx([0, 1, 3, 7], rel=0.01)
    assert world.wishes()[1:] == [None] * 3


def test_an_answer_that_should_be_held_and_was_cut_short_is_not_asked_for_again_at_once() -> None:
    cut: Answer[Any] = Answer(value=RUNNING, hold_s=55.0)
    world = World(cut, cut, cut, cut, COMPLETED, line_at=never)
    run(world, Push.IF_OFFERED)
    assert world.times(Send) == pytest.approx([0, 1, 3, 7, 15], rel=0.01)


def test_a_service_that_holds_for_less_than_it_was_asked_to_is_asked_again_at_once() -> None:
    held: Answer[Any] = Answer(value=RUNNING, hold_s=0.9)
    world = World(held, held, held, COMPLETED, line_at=never, took_s=0.9)
    run(world, Push.IF_OFFERED)
    assert world.times(Send) == pytest.approx([0.0, 0.9, 1.8, 2.7])


def test_who_finds_no_room_among_the_held_looks_plainly_once_and_then_tries_again() -> None:
    no_room: Answer[Any] = Answer(is_passing=True)
    world = World(no_room, RUNNING, no_room, RUNNING, COMPLETED, line_at=never)
    run(world, Push.IF_OFFERED)
    assert [bool(wish) for wish in world.wishes()] == [True, False, True, False, True]
    assert world.times(Send) == pytest.approx([0, 0, 1, 1, 3], rel=0.01)


def test_after_trouble_the_next_look_is_a_plain_one() -> None:
    world = World(AWAY, AWAY, QUEUED, COMPLETED, line_at=never)
    run(world, Push.IF_OFFERED)
    assert [bool(wish) for wish in world.wishes()] == [True, False, False, True]


def test_a_held_answer_has_its_time_and_that_of_any_request() -> None:
    world = World(RUNNING, pushes=[(100.0, COMPLETED)], line_at=never, holds=True)
    run(world, Push.IF_OFFERED, request_timeout_s=7.0)
    limits = [step.within_s for _, step in world.steps if isinstance(step, Send)]
    assert limits == [HOLD_S + 7.0] * 2


def test_answers_are_not_held_beyond_the_deadline() -> None:
    world = World(RUNNING, line_at=never, holds=True)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.IF_OFFERED, timeout_s=70)
    assert world.wishes() == [*(f"wait={each}; until=done; ping=1" for each in (HOLD_S, 70 - HOLD_S)), None]
    assert world.now_s == 70


def test_while_a_line_is_up_nothing_is_held() -> None:
    world = World(RUNNING, pushes=[(100.0, COMPLETED)], holds=True)
    run(world, Push.IF_OFFERED)
    assert set(world.wishes()) == {None}


def test_retry_after_speaks_to_those_who_poll() -> None:
    held: Answer[Any] = Answer(value=RUNNING, hold_s=55.0, retry_after_s=30.0)
    world = World(held, COMPLETED, line_at=never)
    run(world, Push.IF_OFFERED)
    assert world.now_s == pytest.approx(1, rel=0.01)


# The deadline, where answers take their time.


def test_the_last_look_begins_as_long_before_the_deadline_as_the_one_before_took() -> None:
    world = World(RUNNING, took_s=0.2)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.NEVER, timeout_s=10)
    last_s, last = [(at_s, step) for at_s, step in world.steps if isinstance(step, Send)][-1]
    assert last_s == pytest.approx(9.8)
    assert last.within_s == pytest.approx(0.2 + GRACE_S)
    assert world.now_s == pytest.approx(10)


def test_a_last_look_that_is_answered_early_is_no_reason_to_give_up_early() -> None:
    world = World(RUNNING, took_s=1.0, pushes=[(9.9, COMPLETED)])

    def perform(step: Any) -> Any:
        world.took_s = 1.0 if world.now_s < 5 else 0.0
        return world(step)

    done = finish(drive(wait(Terms(job_id="j1", push=Push.ALWAYS, timeout_s=10), 0.0, lambda: 0.5), perform), None)
    assert done == COMPLETED
    assert world.times(Send) == [0, 10 - MOST_LEAD_S]


# Silence.


def warned(world: World, **terms: Any) -> list[float]:
    asked = Terms(job_id="j1", push=Push.IF_OFFERED, wants_warning=True, **terms)
    finish(drive(wait(asked, 0.0, lambda: 0.5), world), None, None)
    return world.times(Warn)


def promised(seq: int, p90_s: float) -> Job:
    return job(State.RUNNING, seq, eta=Eta(p10_s=0.0, p50_s=0.0, p90_s=p90_s))


def test_silence_of_three_times_what_was_promised_is_worth_a_word_and_no_timeout() -> None:
    world = World(promised(2, 5.0), pushes=[(100.0, COMPLETED)])
    assert warned(world) == [WARN_FACTOR * 5.0]
    assert world.now_s == 100.0


def test_any_news_begins_the_silence_anew() -> None:
    pushes = [(10.0, promised(3, 4.0)), (20.0, promised(4, 3.0)), (100.0, job(State.COMPLETED, 5))]
    assert warned(World(promised(2, 5.0), pushes=pushes)) == [20 + WARN_FACTOR * 3.0]


def test_a_short_promise_is_not_taken_by_its_word() -> None:
    assert warned(World(promised(2, 0.0), pushes=[(100.0, COMPLETED)])) == [LEAST_WARN_S]


def test_without_a_promise_there_is_nothing_to_break() -> None:
    assert warned(World(RUNNING, pushes=[(1000.0, COMPLETED)], holds=True), timeout_s=5000) == []


@pytest.mark.parametrize("wants_progress", [True, False])
def test_a_held_answer_does_not_hold_up_the_word(*, wants_progress: bool) -> None:
    world = World(promised(2, 5.0), pushes=[(100.0, job(State.COMPLETED, 4))], line_at=never, holds=True)
    assert warned(world, wants_progress=wants_progress) == [WARN_FACTOR * 5.0]


def test_a_promise_that_is_no_number_is_none() -> None:
    broken = job(State.RUNNING, 2, eta=Eta(p10_s=0.0, p50_s=0.0, p90_s=None))  # type: ignore[arg-type]
    assert warned(World(broken, pushes=[(100.0, COMPLETED)])) == []


def test_who_asks_for_no_word_gets_none() -> None:
    world = World(promised(2, 5.0), pushes=[(100.0, COMPLETED)])
    run(world, Push.IF_OFFERED)
    assert world.times(Warn) == []
    assert world.times(Listen)
    assert not world.times(Pause)
