from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import fakeredis
import pytest
from given import Clock, a_job
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.timeouts import JobTimeoutException

from contract.errors import JobNotFoundError
from contract.job import Job, Output
from contract.states import State
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger
from store.settings import StoreSettings
from store.sweep import Sweep
from worker.engine import Control, EngineError, StopAsked, Task
from worker.line import GIVE_UP_S, Chances
from worker.logs import Log
from worker.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGER = "tests.worker"
OUTPUT = Output(video_url="https://example.com/a.mp4", captions_url="https://example.com/a.vtt")
Script = Callable[[Task, Control], Output]


@dataclass
class World:
    """A Redis, a runner with a scripted engine, and two clocks that only the script moves."""

    ledger: Ledger
    utc: Clock
    log: logging.Logger
    monotonic_s: float = 0.0
    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], None] = lambda: None

    def submit(self, **fields: Any) -> None:
        JobStore(self.ledger).create(a_job("j1", **fields), fingerprint="f", simulate={"duration_s": 1})

    def run(self, script: Script) -> Job:
        """Deliver the job, and return it as it stands afterwards."""

        class Scripted:
            translate = staticmethod(script)

        chances = Chances(clock=lambda: self.monotonic_s, pause=self.pause, chance=lambda: 0.0)
        Runner(engine=Scripted(), log=Log(self.log), chances=chances).run("j1", self.ledger)
        return self.job()

    def job(self) -> Job:
        return JobStore(self.ledger).read("j1", "default")

    def feed(self) -> list[dict[bytes, bytes]]:
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", self.ledger.redis.xrange(keys.feed("default")))
        return [fields for _, fields in entries]

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause()

    def pass_s(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.utc.pass_s(seconds)


@pytest.fixture
def world(ledger: Ledger, clock: Clock) -> World:
    made = World(ledger, clock, logging.getLogger(LOGGER))
    made.submit()
    return made


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer(version=(7,))


@pytest.fixture
def shaky(server: fakeredis.FakeServer, clock: Clock) -> Iterator[World]:
    """Give a world whose Redis can be switched off."""
    connection = fakeredis.FakeRedis(server=server)
    made = World(Ledger(connection, StoreSettings(), clock), clock, logging.getLogger(LOGGER))
    made.submit()
    yield made
    server.connected = True


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


def until_stopped(control: Control) -> Output:
    """Wait as an engine does in the middle of its work, for far longer than a test may take."""
    control.wait(600)
    return OUTPUT


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
        struck.set()
        raise JobTimeoutException("Task exceeded maximum timeout value")

    def strike() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        assert struck.wait(5)

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
    assert "sweep_broke" in events(caplog)


def test_a_stop_that_nobody_asked_for_is_a_crash(world: World) -> None:
    def script(_task: Task, _control: Control) -> Output:
        raise StopAsked

    assert world.run(script).attempt == 2
