from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from worlds import AWAY, BEGAN, COMPLETED, QUEUED, RUNNING, World, job, run

from client.http import Answer
from client.ladder import Road
from client.patience import NoPushError, Push
from client.steps import Line, Pause, Send, Subscribe
from contract.errors import (
    AuthenticationError,
    DubqError,
    JobNotFoundError,
    WaitTimeoutError,
)
from contract.job import Eta
from contract.states import State


def test_it_subscribes_before_it_looks_and_a_pushed_end_needs_no_other_request() -> None:
    world = World(QUEUED, pushes=[(1.0, RUNNING), (2.0, COMPLETED)])
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.kinds() == ["Subscribe", "Send", "Tell", "Listen", "Tell", "Listen", "Tell"]
    assert world.now_s == 2.0


def test_a_job_that_ended_before_anyone_listened_is_found_by_the_snapshot() -> None:
    world = World(COMPLETED)
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.kinds() == ["Subscribe", "Send", "Tell"]


def test_news_that_the_snapshot_knew_already_is_dropped() -> None:
    world = World(job(State.RUNNING, 5), pushes=[(0.1, job(State.RUNNING, 4)), (0.2, job(State.COMPLETED, 6))])
    assert run(world, Push.ALWAYS).seq == 6
    assert world.told() == [5, 6]


def test_doubled_and_reordered_news_is_told_once_and_in_order() -> None:
    pushes = [(0.1, RUNNING), (0.2, RUNNING), (0.3, job(State.RUNNING, 4)), (0.4, COMPLETED)]
    world = World(QUEUED, pushes=[*pushes, (0.5, job(State.COMPLETED, 5))])
    assert run(world, Push.ALWAYS).seq == 5
    assert world.told() == [1, 2, 4, 5]


def test_an_old_end_that_comes_after_a_reset_does_not_end_the_wait() -> None:
    again = job(State.QUEUED, 4)
    world = World(RUNNING, pushes=[(1.0, again), (1.1, COMPLETED), (2.0, job(State.COMPLETED, 6))])
    assert run(world, Push.ALWAYS).seq == 6
    assert world.told() == [2, 4, 6]


def test_a_silent_line_is_read_again_ever_more_seldom() -> None:
    world = World(RUNNING, RUNNING, RUNNING, COMPLETED)
    assert run(world, Push.ALWAYS, chance=0.5) == COMPLETED
    assert world.times(Send) == pytest.approx([0, 30, 30 + 45, 30 + 45 + 67.5])


def test_news_puts_off_the_next_look() -> None:
    world = World(QUEUED, COMPLETED, pushes=[(25.0, RUNNING)])
    run(world, Push.ALWAYS, chance=0.5)
    assert world.times(Send) == pytest.approx([0, 25 + 30])


def test_a_lost_line_is_replaced_by_polling_and_comes_back() -> None:
    world = World(
        RUNNING,
        pushes=[(10.0, None), (20.0, COMPLETED)],
        line_at=lambda at_s: Line.DOWN if 10 <= at_s < 14.9 else Line.UP,
    )
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.times(Subscribe) == pytest.approx([0, 10.5, 12, 13.5, 15], rel=0.01)
    assert world.times(Send) == pytest.approx([0, 11, 13, 15], rel=0.01)
    assert world.now_s == 20.0


def test_the_end_is_found_by_polling_while_the_line_is_away() -> None:
    world = World(RUNNING, RUNNING, COMPLETED, line_at=lambda _: Line.DOWN)
    assert run(world, Push.ALWAYS) == COMPLETED


def test_a_line_that_flaps_is_asked_for_ever_more_seldom() -> None:
    world = World(RUNNING, pushes=[(0.0, None)] * 50)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.IF_OFFERED, timeout_s=60)
    assert len(world.times(Subscribe)) <= 8


def test_after_a_long_calm_the_first_pause_of_a_new_trouble_is_short_again() -> None:
    world = World(
        RUNNING,
        pushes=[(0.0, None), (1.0, None), (3.0, None), (100.0, RUNNING), (200.0, None), (205.0, COMPLETED)],
    )
    run(world, Push.ALWAYS)
    assert min(at_s for at_s in world.times(Subscribe) if at_s > 200) == pytest.approx(200.5, abs=0.01)


def test_the_snapshot_is_tried_again_while_the_line_is_up() -> None:
    world = World(AWAY, AWAY, QUEUED, pushes=[(10.0, COMPLETED)])
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.times(Send) == pytest.approx([0, 1, 3], rel=0.01)
    assert world.times(Subscribe) == [0]


def test_a_pushed_end_is_enough_though_no_snapshot_was_to_be_had() -> None:
    assert run(World(AWAY, pushes=[(0.5, COMPLETED)]), Push.ALWAYS) == COMPLETED


def test_without_a_redis_wait_polls_and_asks_no_more_for_a_line() -> None:
    world = World(QUEUED, RUNNING, COMPLETED, line_at=lambda _: Line.NONE)
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert [step.road for _, step in world.steps if isinstance(step, Subscribe)] == [Road.REDIS, Road.SSE]


def test_without_a_redis_subscribe_says_so() -> None:
    with pytest.raises(NoPushError, match="no Redis here") as raised:
        run(World(QUEUED, line_at=lambda _: Line.NONE), Push.ALWAYS)
    assert raised.value.job_id == "j1"


def test_a_job_that_began_another_life_is_believed_when_it_is_looked_at() -> None:
    later = BEGAN + timedelta(minutes=1)
    world = World(
        job(State.RUNNING, 9), job(State.RUNNING, 2, updated_at=later), job(State.COMPLETED, 3, updated_at=later)
    )
    assert run(world, Push.IF_OFFERED).state is State.COMPLETED
    assert world.told() == [9, 2, 3]


def test_messages_and_looks_that_are_merely_late_are_not_believed() -> None:
    late = job(State.RUNNING, 4, updated_at=BEGAN + timedelta(minutes=1))
    world = World(job(State.RUNNING, 9), job(State.RUNNING, 8), job(State.COMPLETED, 10), pushes=[(0.1, late)])
    run(world, Push.IF_OFFERED)
    assert world.told() == [9, 10]


def test_the_look_at_the_deadline_is_answered_in_full() -> None:
    world = World(job(State.RUNNING, 3), Answer(), job(State.COMPLETED, 3, updated_at=BEGAN + timedelta(minutes=1)))
    assert run(world, Push.NEVER, timeout_s=2.5).done
    headers = [step.request.headers.get("If-None-Match") for _, step in world.steps if isinstance(step, Send)]
    assert headers == [None, '"3"', None]


# Polling.


def test_polls_double_from_a_second_to_the_cap() -> None:
    world = World(*[RUNNING] * 8, COMPLETED)
    assert run(world, Push.NEVER) == COMPLETED
    pauses = [step.seconds for _, step in world.steps if isinstance(step, Pause)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30], rel=0.01)


def test_a_poll_says_what_it_knows_already() -> None:
    world = World(RUNNING, Answer(), COMPLETED)
    run(world, Push.NEVER)
    headers = [step.request.headers.get("If-None-Match") for _, step in world.steps if isinstance(step, Send)]
    assert headers == [None, '"2"', '"2"']


def test_the_single_job_may_become_another_one() -> None:
    world = World(job(State.RUNNING, 9, job_id="old"), job(State.COMPLETED, 3, job_id="new"))
    assert run(world, Push.NEVER, job_id=None).job_id == "new"
    assert [step.request.path for _, step in world.steps if isinstance(step, Send)] == ["/status", "/status"]


def test_retry_after_is_the_least_pause_and_is_taken_anew_from_every_answer() -> None:
    world = World(Answer(value=QUEUED, retry_after_s=20.0), Answer(retry_after_s=3.0), Answer(), COMPLETED)
    run(world, Push.NEVER)
    assert world.times(Send) == pytest.approx([0, 20, 23, 27], rel=0.01)


def test_a_poller_that_is_told_an_eta_looks_when_the_end_is_due_and_ever_closer() -> None:
    due = replace(RUNNING, eta=Eta(p10_s=6, p50_s=10, p90_s=14))  # U(5,15)
    world = World(Answer(value=due, retry_after_s=6.0), Answer(), Answer(), COMPLETED)
    run(world, Push.NEVER, chance=0.0)
    first, second, third = (after - before for before, after in itertools.pairwise(world.times(Send)))
    assert 7 < first < 9
    assert first > second > third > 0.5


def test_after_trouble_no_eta_says_when_to_look() -> None:
    due = replace(RUNNING, eta=Eta(p10_s=6, p50_s=10, p90_s=14))
    world = World(AWAY, due, AWAY, COMPLETED)
    run(world, Push.NEVER)
    pauses = [step.seconds for _, step in world.steps if isinstance(step, Pause)]
    assert pauses[0] == pytest.approx(1, rel=0.01)
    assert pauses[2] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("push", [Push.NEVER, Push.ALWAYS])
def test_passing_trouble_never_ends_a_wait(push: Push) -> None:
    assert run(World(*[AWAY] * 10, COMPLETED), push) == COMPLETED


def test_what_is_sent_after_trouble_counts_as_a_retry() -> None:
    world = World(QUEUED, AWAY, RUNNING, COMPLETED)
    run(world, Push.NEVER)
    assert [step.is_retry for _, step in world.steps if isinstance(step, Send)] == [False, False, True, False]


@pytest.mark.parametrize("push", Push)
@pytest.mark.parametrize("error", [AuthenticationError(), JobNotFoundError()])
def test_a_refusal_ends_the_wait_at_once_and_names_the_job(push: Push, error: DubqError) -> None:
    world = World(RUNNING, Answer(error=error), pushes=[(0.0, None)])
    with pytest.raises(type(error)) as raised:
        run(world, push)
    assert (raised.value.job_id, raised.value.job) == ("j1", RUNNING)
    assert len(world.times(Send)) == 2


def test_an_unknown_job_ends_the_wait_at_its_first_look() -> None:
    world = World(Answer(error=JobNotFoundError()))
    with pytest.raises(JobNotFoundError):
        run(world, Push.IF_OFFERED)
    assert world.now_s == 0
