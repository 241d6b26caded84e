from __future__ import annotations

from typing import Any

import pytest
from worlds import AWAY, COMPLETED, QUEUED, RUNNING, World, job, run

from client.driver import drive, finish
from client.http import Answer
from client.patience import Push
from client.steps import Send
from client.waiting import Terms, wait
from client.watch import CANCEL_S, GRACE_S
from contract.errors import (
    IllegalTransitionError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    WaitTimeoutError,
)
from contract.job import Failure, Job
from contract.states import State


@pytest.mark.parametrize("push", Push)
def test_the_wait_asks_once_more_at_its_deadline_and_not_later(push: Push) -> None:
    world = World(RUNNING)
    with pytest.raises(WaitTimeoutError):
        run(world, push, timeout_s=10)
    assert world.times(Send)[-1] == world.now_s == 10


def test_an_end_that_is_found_at_the_deadline_counts() -> None:
    world = World(RUNNING, RUNNING, RUNNING, COMPLETED)
    assert run(world, Push.NEVER, timeout_s=5) == COMPLETED
    assert world.now_s == 5


def test_a_long_retry_after_does_not_make_it_oversleep() -> None:
    world = World(Answer(value=RUNNING, retry_after_s=3600.0), COMPLETED)
    assert run(world, Push.NEVER, timeout_s=5) == COMPLETED
    assert world.now_s == 5


def test_no_request_may_outlast_the_deadline_but_the_last_look_has_its_moment() -> None:
    world = World(RUNNING)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.NEVER, timeout_s=12)
    limits = [(at_s, step.within_s) for at_s, step in world.steps if isinstance(step, Send)]
    assert all(within_s <= min(10, 12 - at_s) for at_s, within_s in limits[:-1])
    assert limits[-1] == (12, pytest.approx(GRACE_S))


def test_a_timeout_says_what_is_known_and_how_to_wait_on() -> None:
    world = World(job(State.RUNNING, 4, stage="voice", progress=0.5))
    with pytest.raises(TimeoutError) as raised:
        run(world, Push.NEVER, timeout_s=7)
    assert isinstance(raised.value, WaitTimeoutError)
    assert raised.value.job is not None
    assert raised.value.job.seq == 4
    assert str(raised.value) == (
        "j1 is still running (voice, 50%) after 7 s; it goes on, and can be waited for again: client.wait('j1')"
    )


def test_a_timeout_without_any_answer_has_the_trouble_as_its_cause() -> None:
    with pytest.raises(WaitTimeoutError, match="has not been seen") as raised:
        run(World(AWAY), Push.IF_OFFERED, timeout_s=3)
    assert raised.value.__cause__ is AWAY.error
    assert raised.value.job_id == "j1"


def test_a_timeout_sends_no_cancel_unless_asked_to() -> None:
    world = World(RUNNING)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.NEVER, timeout_s=3)
    assert all(step.request.method == "GET" for _, step in world.steps if isinstance(step, Send))


def test_a_timeout_may_return_what_is_known() -> None:
    assert run(World(QUEUED, RUNNING), Push.NEVER, timeout_s=3, on_timeout="return") == RUNNING


def test_a_timeout_cannot_return_what_nobody_knows() -> None:
    with pytest.raises(WaitTimeoutError):
        run(World(AWAY), Push.NEVER, timeout_s=3, on_timeout="return")


def test_a_timeout_may_cancel_the_job() -> None:
    world = World(RUNNING, RUNNING, RUNNING, job(State.CANCELLED, 3))
    with pytest.raises(WaitTimeoutError, match="still running after 3 s; it was asked to stop") as raised:
        run(world, Push.NEVER, timeout_s=3, on_timeout="cancel")
    assert raised.value.job is not None
    assert raised.value.job.state is State.CANCELLED
    assert world.told()[-1] == 3


def test_a_job_that_ended_before_it_could_be_cancelled_is_returned() -> None:
    refusal: Answer[Any] = Answer(error=IllegalTransitionError(COMPLETED, State.CANCELLED))
    world = World(RUNNING, RUNNING, RUNNING, refusal, COMPLETED)
    assert run(world, Push.NEVER, timeout_s=3, on_timeout="cancel") == COMPLETED


@pytest.mark.parametrize(("request_timeout_s", "within_s"), [(10.0, CANCEL_S), (0.5, 0.5)])
def test_a_cancel_at_the_deadline_has_but_a_moment(request_timeout_s: float, within_s: float) -> None:
    world = World(RUNNING, RUNNING, RUNNING, job(State.CANCELLED, 3))
    with pytest.raises(WaitTimeoutError):
        run(world, Push.NEVER, timeout_s=3, on_timeout="cancel", request_timeout_s=request_timeout_s)
    (cancel,) = (step for _, step in world.steps if isinstance(step, Send) and step.request.method == "POST")
    assert cancel.within_s == within_s


def test_a_timeout_says_when_the_job_could_not_be_cancelled() -> None:
    with pytest.raises(WaitTimeoutError, match=r"could not be cancelled \(away\)"):
        run(World(RUNNING, AWAY), Push.NEVER, timeout_s=3, on_timeout="cancel")


def test_time_that_the_listener_of_updates_takes_counts() -> None:
    world = World(RUNNING)
    plan = wait(Terms(job_id="j1", push=Push.NEVER, timeout_s=5), 0.0, lambda: 0.0)

    def dawdle(_: Job) -> None:
        world.now_s += 20

    with pytest.raises(WaitTimeoutError):
        finish(drive(plan, world), dawdle)
    assert world.times(Send) == [0, 20]


@pytest.mark.parametrize(
    "terms",
    [{"timeout_s": float("nan")}, {"timeout_s": -1.0}, {"request_timeout_s": float("inf")}, {"on_timeout": "shrug"}],
)
def test_senseless_terms_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        Terms(job_id="j1", push=Push.NEVER, **terms)


@pytest.mark.parametrize("job_id", ["", "a:b", "../x", "x" * 65, "*"])
def test_what_cannot_be_an_id_never_gets_into_an_address_or_a_channel(job_id: str) -> None:
    with pytest.raises(JobNotFoundError):
        Terms(job_id=job_id, push=Push.ALWAYS)


# How it ends.


def test_a_failed_job_raises_with_its_reason() -> None:
    failed = job(State.ERROR, 3, error=Failure(code="no_audio", message="the video is silent"))
    with pytest.raises(JobFailedError, match="j1 failed: no_audio, the video is silent") as raised:
        run(World(failed), Push.NEVER)
    assert raised.value.job == failed


def test_a_cancelled_job_raises() -> None:
    with pytest.raises(JobCancelledError, match="j1 was cancelled"):
        run(World(job(State.CANCELLED, 2)), Push.ALWAYS)


@pytest.mark.parametrize("state", [State.ERROR, State.CANCELLED])
def test_no_end_raises_if_the_caller_says_so(state: State) -> None:
    assert run(World(job(state, 2)), Push.NEVER, raise_on_failure=False).state is state
