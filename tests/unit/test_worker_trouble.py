"""Runs whose Redis, worker or sweep fails them, with an engine that follows a script."""

from __future__ import annotations

import json
import logging
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.timeouts import JobTimeoutException
from service import eventually
from world import OUTPUT, World, events, until_stopped

from contract.errors import JobNotFoundError
from contract.job import Job, Output
from contract.states import State
from store.sweep import Sweep
from worker.line import GIVE_UP_S, Line

if TYPE_CHECKING:
    import queue
    from collections.abc import Callable, Iterator

    import fakeredis

    from worker.engine import Control, Task


@pytest.mark.parametrize("listens", [True, False])
def test_a_run_that_was_given_up_writes_nothing_more(
    world: World, caplog: pytest.LogCaptureFixture, *, listens: bool
) -> None:
    left: list[tuple[Job, list[Any]]] = []

    def script(_task: Task, control: Control) -> Output:
        world.utc.pass_s(60)  # this worker was frozen
        Sweep(world.ledger).lost(world.utc())
        left.append((world.job(), world.feed()))
        if not listens:
            return OUTPUT
        world.pass_s(1)
        control.stage("voice")
        return until_stopped(control)

    job = world.run(script)
    assert (job, world.feed()) == left[0]
    assert (job.state, job.attempt) == (State.QUEUED, 2)
    assert events(caplog).count("run_given_up") == 1


def test_a_job_that_was_forgotten_ends_its_run(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def script(_task: Task, control: Control) -> Output:
        world.ledger.redis.flushall()
        control.stage("voice")
        return until_stopped(control)

    with pytest.raises(JobNotFoundError):
        world.run(script)
    assert "run_given_up" in events(caplog)


def test_an_outage_holds_up_no_engine_and_loses_no_end(
    shaky: World, server: fakeredis.FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def script(_task: Task, control: Control) -> Output:
        server.connected = False
        for stage in ("fetch", "voice"):
            control.stage(stage)
            shaky.pass_s(2)
        return OUTPUT

    def after_some_tries() -> None:
        server.connected = len(shaky.pauses) == 3

    shaky.on_pause = after_some_tries
    assert shaky.run(script).state is State.COMPLETED
    assert shaky.pauses == [0.05, 0.1, 0.2]
    assert [event for event in events(caplog) if event.startswith("redis")] == ["redis_away", "redis_back"]


def test_reports_made_during_an_outage_are_written_after_it(
    shaky: World, server: fakeredis.FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    away = threading.Event()

    class Alarm(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "redis_away":
                away.set()

    alarm = Alarm()
    shaky.log.addHandler(alarm)

    def script(_task: Task, control: Control) -> Output:
        server.connected = False
        control.stage("fetch")
        assert away.wait(5)
        control.stage("voice")
        control.progress(0.4)
        server.connected = True
        shaky.pass_s(2)
        control.progress(0.5)
        return OUTPUT

    try:
        job = shaky.run(script)
    finally:
        shaky.log.removeHandler(alarm)
    stages = [Job.from_wire(json.loads(entry[b"job"])).stage for entry in shaky.feed()]
    assert stages == [None, None, "fetch", "voice", None]
    assert job.state is State.COMPLETED
    assert "redis_back" in events(caplog)


def test_an_end_that_cannot_be_written_for_a_quarter_of_an_hour_is_left_to_the_sweep(
    shaky: World, server: fakeredis.FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def script(_task: Task, _control: Control) -> Output:
        server.connected = False
        return OUTPUT

    shaky.on_pause = lambda: shaky.pass_s(GIVE_UP_S / 10)
    with pytest.raises(RedisConnectionError):
        shaky.run(script)
    server.connected = True
    assert "end_not_written" in events(caplog)
    Sweep(shaky.ledger).lost(shaky.utc())
    assert (shaky.job().state, shaky.job().attempt) == (State.QUEUED, 2)


@pytest.fixture
def penalty() -> Iterator[Callable[[], None]]:
    """Give a function that strikes the main thread, as RQ's death penalty does, and returns once that has felt it."""
    struck = threading.Event()

    def felt(_number: int, _frame: object) -> None:
        if not struck.is_set():
            struck.set()
            raise JobTimeoutException("Task exceeded maximum timeout value")

    def is_felt() -> bool:
        # again: a signal that comes the moment before a thread blocks does not wake it
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        return struck.wait(0.05)

    def strike() -> None:
        eventually(is_felt, 5)

    before = signal.signal(signal.SIGUSR1, felt)
    yield strike
    signal.signal(signal.SIGUSR1, before)
    assert struck.is_set()


def test_the_death_penalty_ends_an_engine_in_its_wait(
    world: World, penalty: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    executioner = threading.Thread(target=penalty)

    def script(_task: Task, control: Control) -> Output:
        control.stage("voice")
        executioner.start()
        return until_stopped(control)

    assert (world.run(script).state, world.job().attempt) == (State.QUEUED, 2)
    assert "time_limit" in events(caplog)
    executioner.join()


def test_the_death_penalty_striking_after_the_engines_end_changes_nothing(
    shaky: World, server: fakeredis.FakeServer, penalty: Callable[[], None]
) -> None:
    def script(_task: Task, _control: Control) -> Output:
        server.connected = False
        return OUTPUT

    def in_the_last_write() -> None:
        penalty()
        server.connected = True

    shaky.on_pause = in_the_last_write
    assert shaky.run(script).state is State.COMPLETED


def test_a_worker_that_is_told_to_exit_leaves_its_job_to_the_sweep(world: World) -> None:
    def script(_task: Task, _control: Control) -> Output:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        world.run(script)
    assert world.job().state is State.RUNNING
    world.utc.pass_s(60)
    Sweep(world.ledger).lost(world.utc())
    assert world.job().attempt == 2


def test_a_sweep_that_breaks_on_another_job_does_not_harm_this_one(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turn(_: Sweep) -> None:
        raise ValueError("a fault in it")

    monkeypatch.setattr(Sweep, "turn", turn)

    def script(_task: Task, control: Control) -> Output:
        world.pass_s(1)
        control.stage("voice")
        return OUTPUT

    assert world.run(script).state is State.COMPLETED
    assert "sweep_failed" in events(caplog)


class Late:
    """A queue whose reader is struck in the moment in which it has got what it waited for."""

    def __init__(self, real: queue.SimpleQueue[None]) -> None:
        self._real = real
        self.put = real.put
        self._strikes = 1

    def get(self) -> None:
        self._real.get()
        if self._strikes:
            self._strikes = 0
            raise JobTimeoutException("Task exceeded maximum timeout value")


def test_the_death_penalty_striking_as_the_end_is_written_keeps_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(line: Line) -> None:
        monkeypatch.setattr(line, "_closed", Late(line._closed))
        begin(line)

    begin = Line.open
    monkeypatch.setattr(Line, "open", opened)
    assert world.run(lambda _task, _control: OUTPUT).state is State.COMPLETED
