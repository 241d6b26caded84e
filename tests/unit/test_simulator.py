from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from given import START, a_job

from contract.clock import Clock
from contract.job import STAGES, Output
from contract.law import parse
from contract.scenarios import PASSING, PERMANENT
from store.clocks import Following
from worker.course import SHARES, STALLS_IN, Course, Delivers, Fails, Stalls, plan
from worker.engine import EngineError, StopAsked, Task
from worker.simulator import Simulator

TEN = parse("fixed:10")
SOME = parse("uniform:5:15")


def a_task(job_id: str = "j1", *, number: int = 1, round_: int = 0, attempt: int = 1, **simulate: Any) -> Task:
    return Task(
        job=a_job(job_id, attempt=attempt),
        simulate=simulate or None,
        number=number,
        round=round_,
    )


def course(task: Task, *, error_rate: float = 0.0, seed: str | None = None) -> Course:
    return plan(task, SOME, error_rate, seed)


@dataclass
class Recorder:
    """A Control whose time passes at once, and that asks to stop after so many waits."""

    waits_left: float = float("inf")
    now_s: float = 0.0
    heard: list[tuple[float, str, float]] = field(default_factory=list)
    name: str = ""
    rested: list[bool] = field(default_factory=list)

    def stage(self, name: str) -> None:
        self.name = name
        self.heard.append((self.now_s, name, self.heard[-1][2] if self.heard else 0.0))

    def progress(self, fraction: float) -> None:
        self.heard.append((self.now_s, self.name, fraction))

    def wait(self, seconds: float) -> None:
        self.waits_left -= 1
        if self.waits_left < 0:
            raise StopAsked
        self.now_s += seconds

    def wake(self) -> None:
        """Never needed: nobody else moves the time."""

    def rest(self, *, is_resting: bool) -> None:
        self.rested.append(is_resting)

    def check(self) -> None:
        """Never asked for by the simulator: it waits."""


@dataclass
class Times:
    """Everybody's time is the recorder's, as a clock shows it."""

    control: Recorder
    clock: Clock = field(default_factory=Clock)

    def follow(self, client_id: str, wake: Callable[[], None]) -> AbstractContextManager[Following]:  # noqa: ARG002
        return nullcontext(Following(lambda: self.clock, lambda: self.control.now_s))


def translate(task: Task, control: Recorder, clock: Clock | None = None, **how: Any) -> Output:
    times = Times(control, clock or Clock())
    return Simulator(how.pop("law", TEN), error_rate=how.pop("error_rate", 0.0), times=times, **how).translate(
        task, control
    )


def test_the_shares_are_of_the_stages_and_make_a_whole() -> None:
    assert tuple(SHARES) == STAGES
    assert sum(SHARES.values()) == pytest.approx(1)


def test_a_good_course_passes_all_stages_within_the_duration() -> None:
    good = plan(a_task(), TEN, 0, None)
    assert tuple(leg.stage for leg in good.legs) == STAGES
    assert good.seconds == pytest.approx(10)
    assert (good.legs[0].from_progress, good.legs[-1].to_progress) == (0, 1)
    assert good.ending == Delivers()


def test_the_same_seed_gives_the_same_run_whatever_the_jobs_are_called() -> None:
    first = [course(a_task(f"a{n}", number=n), error_rate=0.5, seed="7") for n in range(50)]
    second = [course(a_task(f"b{n}", number=n), error_rate=0.5, seed="7") for n in range(50)]
    assert first == second
    assert first != [course(a_task(f"a{n}", number=n), error_rate=0.5, seed="8") for n in range(50)]


@pytest.mark.parametrize("seed", [None, "7"])
def test_each_job_and_each_round_has_a_fate_of_its_own(seed: str | None) -> None:
    jobs = {course(a_task(f"j{n}", number=n), seed=seed).seconds for n in range(50)}
    rounds = {course(a_task(round_=n), seed=seed).seconds for n in range(50)}
    assert len(jobs) == len(rounds) == 50


def test_a_job_without_a_seed_keeps_its_fate_on_every_worker_and_attempt() -> None:
    assert course(a_task(number=1), error_rate=0.5) == course(a_task(number=2, attempt=3), error_rate=0.5)


@pytest.mark.parametrize(("error_rate", "ending"), [(0.0, Delivers), (1.0, Fails)])
def test_error_rates_of_none_and_all_are_exact(error_rate: float, ending: type) -> None:
    assert {type(course(a_task(f"j{n}"), error_rate=error_rate).ending) for n in range(200)} == {ending}


def test_about_as_many_jobs_fail_as_the_error_rate_says() -> None:
    fails = sum(isinstance(course(a_task(f"j{n}"), error_rate=0.1).ending, Fails) for n in range(2000))
    assert 160 < fails < 240


def test_a_job_that_fails_by_the_law_fails_for_good_in_the_last_stage_that_it_reaches() -> None:
    bad = plan(a_task(), TEN, 1, None)
    assert isinstance(bad.ending, Fails)
    assert bad.ending.flaw in PERMANENT
    assert not bad.ending.retryable
    assert bad.legs[-1].stage == bad.ending.flaw.stage
    assert bad.seconds == pytest.approx(10)


@pytest.mark.parametrize("flaw", PERMANENT + PASSING, ids=lambda flaw: flaw.code)
def test_every_flaw_is_in_a_stage_and_can_be_asked_for_by_its_code(flaw: Any) -> None:
    asked = course(a_task(outcome="error", error_code=flaw.code))
    assert asked.ending == Fails(flaw, retryable=False)
    assert flaw.stage in STAGES


def test_a_wish_leaves_no_outcome_to_chance() -> None:
    assert course(a_task(duration_s=3), error_rate=1).ending == Delivers()
    assert course(a_task(outcome="completed"), error_rate=1).ending == Delivers()


def test_a_wished_duration_is_kept_to_the_letter() -> None:
    assert course(a_task(duration_s=3)).seconds == pytest.approx(3)
    assert course(a_task(duration_s=3, outcome="error")).seconds == pytest.approx(3)


def test_a_job_of_no_time_passes_no_stages() -> None:
    assert course(a_task(duration_s=0)) == Course((), Delivers())


def test_a_wished_error_has_the_wished_code() -> None:
    ending = course(a_task(outcome="error", error_code="out_of_popcorn")).ending
    assert isinstance(ending, Fails)
    assert (ending.flaw.code, ending.retryable) == ("out_of_popcorn", False)
    assert "out_of_popcorn" in ending.flaw.message


def test_the_first_attempts_fail_in_passing_and_the_next_goes_as_wished() -> None:
    endings = [course(a_task(attempt=n, fail_attempts=2, outcome="stall")).ending for n in (1, 2, 3)]
    assert [isinstance(each, Fails) and each.retryable for each in endings] == [True, True, False]
    assert endings[2] == Stalls()


@pytest.mark.parametrize("stage", STAGES)
def test_it_fails_or_stalls_in_the_stage_that_was_asked_for(stage: str) -> None:
    for wish in ({"outcome": "error"}, {"fail_attempts": 1}, {"outcome": "error", "error_code": "audio_missing"}):
        bad = course(a_task(stage=stage, **wish))
        assert isinstance(bad.ending, Fails)
        assert (bad.ending.flaw.stage, bad.legs[-1].stage) == (stage, stage)
    stuck = course(a_task(stage=stage, outcome="stall"))
    assert (stuck.ending, stuck.legs[-1].stage) == (Stalls(), stage)


def test_a_slow_job_takes_so_many_times_as_long_as_it_would_have() -> None:
    assert course(a_task(slow_factor=10)).seconds == pytest.approx(10 * course(a_task(outcome="completed")).seconds)
    assert course(a_task(slow_factor=10, duration_s=3)).seconds == pytest.approx(30)


def test_progress_that_jumps_is_told_at_the_ends_of_stages_alone() -> None:
    control = Recorder()
    translate(a_task(progress="jumps"), control)
    changes = [fraction for (_, _, last), (_, _, fraction) in pairwise(control.heard) if fraction != last]
    assert changes == pytest.approx([0.05, 0.25, 0.35, 0.6, 0.9, 1.0])


def test_output_that_comes_late_leaves_the_job_running_at_its_whole_progress() -> None:
    control = Recorder()
    translate(a_task(duration_s=10, output_late_s=5), control)
    reached_s = next(at_s for at_s, _, fraction in control.heard if fraction == pytest.approx(1))
    assert (reached_s, control.now_s, control.name) == (pytest.approx(10), pytest.approx(15), "render")
    assert course(a_task(duration_s=10, output_late_s=5, outcome="error")).seconds == pytest.approx(10)


def test_the_engine_reports_at_least_every_second_and_never_backwards() -> None:
    control = Recorder()
    output = translate(a_task("j7"), control)
    assert output.video_url == "https://media.example.com/j7.mp4"
    assert output.captions_url == "https://media.example.com/j7.vtt"
    times = [0.0, *(at_s for at_s, _, _ in control.heard)]
    assert max(after - before for before, after in pairwise(times)) <= 1 + 1e-9
    fractions = [fraction for _, _, fraction in control.heard]
    assert fractions == sorted(fractions)
    assert control.heard[-1] == (pytest.approx(10), "render", pytest.approx(1))
    assert list(dict.fromkeys(name for _, name, _ in control.heard)) == list(STAGES)


@pytest.mark.parametrize("speed", [0.5, 1, 10, 1000])
def test_speed_scales_the_time_and_nothing_else(speed: float) -> None:
    control = Recorder()
    translate(a_task(), control, speed=speed)
    assert control.now_s == pytest.approx(10 / speed)
    assert {name for _, name, _ in control.heard} == set(STAGES)


def test_a_failing_course_raises_what_the_submitter_will_read() -> None:
    with pytest.raises(EngineError) as caught:
        translate(a_task(outcome="error", error_code="no_speech"), Recorder())
    assert (caught.value.code, caught.value.stage, caught.value.retryable) == ("no_speech", "transcribe", False)


def test_a_stalled_job_ceases_to_report_and_ends_only_when_asked_to() -> None:
    control = Recorder(waits_left=500)
    with pytest.raises(StopAsked):
        translate(a_task(outcome="stall"), control)
    last_s, stage, fraction = control.heard[-1]
    assert (last_s, stage, fraction) == (pytest.approx(6), STALLS_IN, pytest.approx(0.6))
    assert control.now_s > 86_400


def test_a_job_whose_time_stands_still_rests_and_waits_for_its_clock_to_be_moved() -> None:
    control = Recorder(waits_left=3)
    with pytest.raises(StopAsked):
        translate(a_task(), control, Clock().run(0, 0))
    assert control.rested == [True] * 4
    assert [name for _, name, _ in control.heard if name != "fetch"] == []


def on(clock: Clock, at_s: float, task: Task, **how: Any) -> float:
    """Return for how many real seconds a task goes on that a worker begins at a real time."""
    control = Recorder(now_s=at_s)
    with suppress(EngineError):
        translate(task, control, clock, **how)
    return control.now_s - at_s


BEGUN_S = START.timestamp()
FROZEN = Clock().run(BEGUN_S - 1, 0)


def test_on_a_clock_of_its_own_work_begins_with_the_submission() -> None:
    ahead = FROZEN.advance(BEGUN_S + 5, 10)
    assert on(ahead, BEGUN_S + 60, a_task()) == 0
    assert on(ahead.run(BEGUN_S + 60, 2), BEGUN_S + 60, a_task(duration_s=16)) == pytest.approx(3)


def test_the_next_attempt_begins_where_the_one_before_has_ended() -> None:
    ahead = FROZEN.advance(BEGUN_S + 5, 25).run(BEGUN_S + 6, 1)
    flaky = {"fail_attempts": 2, "duration_s": 10}
    ends = [on(ahead, BEGUN_S + 6, a_task(attempt=each, **flaky)) for each in (1, 2, 3)]
    assert ends == pytest.approx([0, 0, 5])


def test_what_was_submitted_or_reset_after_the_clock_was_moved_has_all_its_time_before_it() -> None:
    moved = FROZEN.advance(BEGUN_S - 0.5, 3600).run(BEGUN_S - 0.2, 1)
    assert on(moved, BEGUN_S, a_task()) == pytest.approx(10)
    assert on(moved.advance(BEGUN_S + 1, 60), BEGUN_S + 2, a_task(round_=1)) == pytest.approx(10)


@pytest.mark.parametrize("waits", range(0, 11, 2))
def test_the_engine_stops_wherever_it_is_asked_to(waits: int) -> None:
    with pytest.raises(StopAsked):
        translate(a_task(), Recorder(waits_left=waits))


def test_a_client_that_has_set_its_odds_has_them_unless_a_job_asks_for_a_course() -> None:
    odds = {"unlucky": 1.0, "lucky": 0.0}.get

    def translated(client_id: str, error_rate: float, **simulate: Any) -> str:
        task = replace(a_task(**simulate), job=replace(a_job("j1"), client_id=client_id))
        try:
            return translate(task, Recorder(), error_rate=error_rate, odds=odds).video_url
        except EngineError as error:
            return error.code

    assert translated("unlucky", 0.0) in {flaw.code for flaw in PERMANENT}
    assert translated("lucky", 1.0).startswith("https")
    assert translated("another", 0.0).startswith("https")
    assert translated("unlucky", 0.0, outcome="completed").startswith("https")
