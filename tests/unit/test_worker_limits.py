"""Limits of time: what a run may take, its stages, and its silence; the time is told."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import pytest
from world import OUTPUT, World, events, until_stopped

from contract.settings import Environment
from contract.states import State
from store.durations import FEW, Past, Sample
from store.ledger import Ledger
from store.settings import StageLimit, StoreSettings
from worker.ends import Stop
from worker.engine import StopAsked
from worker.limits import LULL_S, LULLS, Timekeeper
from worker.throttle import Report

if TYPE_CHECKING:
    from contract.job import Output
    from worker.engine import Control, Task

FREE = StoreSettings(job_limit_s=math.inf)


def past(lull_s: float, count: int = FEW) -> Past:
    """Return so many jobs that ran evenly, a tenth of their progress in `lull_s`."""
    return Past([Sample(10 * lull_s, marks_s=tuple(lull_s * tenth for tenth in range(1, 10)))] * count)


def test_a_run_may_take_so_long_and_is_told_once() -> None:
    time = Timekeeper(StoreSettings(job_limit_s=100), None, 5)
    time.hear(Report("fetch", 0.5), 104)
    assert (time.due_s(), time.broken(104.9)) == (105, None)
    assert time.broken(105) is Stop.TIME_LIMIT
    assert (time.broken(106), time.due_s()) == (None, math.inf)


def test_a_stages_time_begins_with_the_stage() -> None:
    limit = StageLimit.parse("30, lipsync:90")
    time = Timekeeper(StoreSettings(stage_limit=limit, job_limit_s=math.inf), None, 0)
    assert time.broken(1000) is None  # no stage has begun
    time.hear(Report("voice", 0.1), 1000)
    time.hear(Report("voice", 0.2), 1020)
    assert time.due_s() == 1030
    time.hear(Report("lipsync", 0.2), 1029)
    assert time.broken(1118) is None
    assert time.broken(1119) is Stop.STAGE_TIME_LIMIT


def test_a_silent_run_is_stalled_after_several_times_what_is_usual() -> None:
    time = Timekeeper(FREE, past(lull_s=20), 0)
    time.hear(Report("fetch", 0.1), 10)
    assert time.due_s() == 10 + LULL_S  # the law is not asked before
    assert time.broken(10 + LULL_S) is None
    time.hear(Report("fetch", 0.1), 20)  # says nothing new
    assert time.due_s() == 10 + LULLS * 20
    assert time.broken(10 + LULLS * 20) is Stop.STALLED


def test_whatever_is_usual_a_minute_of_silence_is_no_stall() -> None:
    time = Timekeeper(FREE, past(lull_s=0.01), 0)
    assert time.broken(LULL_S - 0.1) is None
    assert time.broken(LULL_S) is Stop.STALLED


@pytest.mark.parametrize("known", [None, past(lull_s=0.1, count=FEW - 1)])
def test_where_little_is_known_nobody_is_stalled_unless_the_operator_says_so(known: Past | None) -> None:
    assert Timekeeper(FREE, known, 0).broken(10**6) is None
    said = StoreSettings(stall_limit_s=3, job_limit_s=math.inf)
    assert Timekeeper(said, known, 0).broken(2.9) is None
    assert Timekeeper(said, known, 0).broken(3) is Stop.STALLED


def test_the_operators_stall_limit_gives_way_to_what_is_usual() -> None:
    said = StoreSettings(stall_limit_s=3, job_limit_s=math.inf)
    assert Timekeeper(said, past(lull_s=20), 0).broken(LULLS * 20 - 1) is None
    assert Timekeeper(said, past(lull_s=0.1), 0).broken(3) is Stop.STALLED


def test_an_engine_that_reports_nothing_may_be_silent_for_as_long_as_such_jobs_take() -> None:
    time = Timekeeper(FREE, Past([Sample(run_s=100)] * FEW), 0)
    assert time.broken(LULLS * 100 - 1) is None
    assert time.broken(LULLS * 100) is Stop.STALLED


def test_limits_are_read_from_the_environment_and_all_but_the_jobs_are_off() -> None:
    settings = StoreSettings.from_env(Environment({}))
    assert (settings.queue_limit_s, settings.stage_limit, settings.stall_limit_s) == (math.inf, StageLimit(), None)
    values = {
        "DUBQ_QUEUE_LIMIT_S": "60", "DUBQ_STAGE_LIMIT_S": "voice:7,30", "DUBQ_STALL_LIMIT_S": "9",
    }  # fmt: skip
    settings = StoreSettings.from_env(Environment(values))
    assert (settings.queue_limit_s, settings.stall_limit_s) == (60, 9)
    stages = (None, "fetch", "voice")
    assert [settings.stage_limit.seconds(stage) for stage in stages] == [math.inf, 30, 7]


@pytest.mark.parametrize("text", ["soon", "sing:9", "voice:", "voice:0", "voice:nan", "30,,", ":30"])
def test_a_stage_limit_that_cannot_be_read_is_a_fault_of_the_settings(text: str) -> None:
    with pytest.raises(ValueError, match=r"has to be a number|is no stage"):
        StageLimit.parse(text)


def test_an_engine_that_breaks_a_limit_is_stopped_and_its_job_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.ledger = Ledger(world.ledger.redis, StoreSettings(job_limit_s=1), world.utc)

    def script(_task: Task, control: Control) -> Output:
        world.pass_s(2)
        control.stage("voice")  # the line wakes, and looks at the time
        return until_stopped(control)

    job = world.run(script)
    assert (job.state, job.attempt) == (State.QUEUED, 2)
    assert "limit_broken" in events(caplog)


def test_an_engine_that_hears_nothing_of_its_limit_may_still_deliver(world: World) -> None:
    world.ledger = Ledger(world.ledger.redis, StoreSettings(job_limit_s=1), world.utc)

    def script(_task: Task, control: Control) -> Output:
        world.pass_s(2)
        with contextlib.suppress(StopAsked):
            control.stage("voice")
        return OUTPUT

    assert world.run(script).state is State.COMPLETED


def test_who_rests_is_neither_stalled_nor_late_with_its_stage() -> None:
    time = Timekeeper(StoreSettings(stage_limit=StageLimit.parse("30"), job_limit_s=math.inf), past(lull_s=0.01), 0)
    time.hear(Report("voice", 0.1), 0)
    for at_s in range(0, 3600, 20):
        time.rest(at_s)
        assert time.broken(at_s + 20) is None
    assert time.broken(3610) is Stop.STAGE_TIME_LIMIT
