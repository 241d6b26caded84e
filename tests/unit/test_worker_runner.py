"""How a run goes and ends, with an engine that follows a script."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from rq.timeouts import JobTimeoutException
from world import LOGGER, OUTPUT, World, events, until_stopped

from contract.states import State
from store import keys
from store.jobs import JobStore
from worker.engine import Control, EngineError, StopAsked, Task
from worker.logs import Log
from worker.runner import Runner

if TYPE_CHECKING:
    from given import Clock

    from contract.job import Output
    from store.ledger import Ledger


def test_an_engine_that_delivers_completes_its_job(world: World) -> None:
    def script(task: Task, control: Control) -> Output:
        control.stage("fetch")
        control.progress(0.1)
        control.stage("voice")
        assert (task.job.state, task.attempt, task.number, task.round) == (State.RUNNING, 1, 1, 0)
        assert task.simulate == {"duration_s": 1}
        return OUTPUT

    job = world.run(script)
    assert (job.state, job.output, job.progress, job.stage) == (State.COMPLETED, OUTPUT, 1.0, None)
    # queued, running, fetch, voice, completed: the progress within the second was not worth a write
    assert job.seq == len(world.feed()) == 5


def test_thirty_reports_in_three_seconds_are_three_writes_at_most(world: World) -> None:
    def script(_task: Task, control: Control) -> Output:
        control.stage("fetch")
        for tenth in range(1, 31):
            world.pass_s(0.1)
            control.progress(tenth / 100)
        return OUTPUT

    assert world.run(script).seq <= 4 + 3


def test_a_permanent_failure_ends_the_job(world: World) -> None:
    def script(_task: Task, control: Control) -> Output:
        control.stage("transcribe")
        raise EngineError("no_speech", "No speech was found")

    job = world.run(script)
    assert job.error is not None
    assert (job.state, job.error.code, job.error.stage, job.error.retryable) == (
        State.ERROR,
        "no_speech",
        "transcribe",
        False,
    )


def test_a_passing_failure_puts_the_job_back_for_a_later_attempt(world: World) -> None:
    def script(_task: Task, _control: Control) -> Output:
        raise EngineError("model_overloaded", "Not now", retryable=True)

    job = world.run(script)
    assert (job.state, job.attempt, job.error) == (State.QUEUED, 2, None)
    due_ms = world.ledger.redis.zscore(keys.DUE, "j1")
    assert due_ms == (world.utc() + timedelta(seconds=0.5)).timestamp() * 1000
    assert world.run(script) == job  # a second delivery, before it is due, is void


def test_a_passing_failure_of_the_last_attempt_ends_the_job(ledger: Ledger, clock: Clock) -> None:
    world = World(ledger, clock, logging.getLogger(LOGGER))
    world.submit(max_attempts=1)

    def script(_task: Task, _control: Control) -> Output:
        raise EngineError("model_overloaded", "Not now", retryable=True)

    assert world.run(script).state is State.ERROR


def test_a_crash_is_logged_with_its_traceback_and_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def script(_task: Task, _control: Control) -> Output:
        raise ZeroDivisionError("the details")

    assert (world.run(script).state, world.job().attempt) == (State.QUEUED, 2)
    (crash,) = (record for record in caplog.records if record.getMessage() == "engine_crashed")
    assert crash.exc_info
    assert "the details" in str(crash.exc_info[1])


def test_an_engine_that_returns_no_output_has_crashed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    assert world.run(lambda _task, _control: None).attempt == 2  # type: ignore[arg-type, return-value]
    assert "engine_crashed" in events(caplog)


def test_a_job_that_takes_too_long_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def script(_task: Task, _control: Control) -> Output:
        raise JobTimeoutException("Task exceeded maximum timeout value")

    assert (world.run(script).state, world.job().attempt) == (State.QUEUED, 2)
    assert "time_limit" in events(caplog)


def test_a_job_cancelled_in_the_middle_of_a_stage_is_stopped_within_a_beat(world: World) -> None:
    def script(_task: Task, control: Control) -> Output:
        control.stage("voice")
        JobStore(world.ledger).cancel("j1", "default")
        world.pass_s(1)
        control.progress(0.5)  # also wakes the line, whose clock stands still otherwise
        return until_stopped(control)

    job = world.run(script)
    assert (job.state, job.output, job.stage) == (State.CANCELLED, None, "voice")


def test_an_engine_that_does_not_hear_of_the_cancelling_cannot_complete_the_job(world: World) -> None:
    def script(_task: Task, _control: Control) -> Output:
        JobStore(world.ledger).cancel("j1", "default")
        return OUTPUT

    assert world.run(script).state is State.CANCELLED


@pytest.mark.parametrize("state", ["unknown", "running", "cancelled"])
def test_a_delivery_of_a_job_that_is_not_to_be_run_does_nothing(
    world: World, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    def script(_task: Task, _control: Control) -> Output:
        if state == "running":
            return world.run(never).output or OUTPUT
        raise AssertionError

    def never(_task: Task, _control: Control) -> Output:
        raise AssertionError

    caplog.set_level(logging.INFO, LOGGER)
    if state == "cancelled":
        JobStore(world.ledger).cancel("j1", "default")
        world.run(never)
    elif state == "running":
        assert world.run(script).state is State.COMPLETED
    else:
        Runner(engine=None, log=Log(world.log)).run("j2", world.ledger)  # type: ignore[arg-type]
    assert events(caplog).count("delivery_void") == 1


def test_a_stop_that_nobody_asked_for_is_a_crash(world: World) -> None:
    def script(_task: Task, _control: Control) -> Output:
        raise StopAsked

    assert world.run(script).attempt == 2
