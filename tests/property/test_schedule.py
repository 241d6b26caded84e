"""Whatever a service expects, pauses keep their bounds; whatever past jobs took, an eta makes sense."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import NormalDist

import pytest
from given import START, a_job
from hypothesis import example, given
from hypothesis import strategies as st

from client.schedule import LEAST_S, LONGEST_S, Remaining, Schedule
from contract import moves
from contract.backoff import Backoff
from contract.job import Eta, Job
from contract.states import State
from store.durations import Law, Past, Sample
from store.forecast import Traffic, forecast

AT = datetime(2026, 1, 1, tzinfo=UTC)
wild = st.one_of(st.floats(), st.integers())
etas = st.builds(Eta, p10_s=wild, p50_s=wild, p90_s=wild)
sane = st.lists(st.floats(0, 1e5), min_size=3, max_size=3).map(sorted).map(lambda three: Eta(**named(three)))
chances = st.floats(0, 1, exclude_max=True)


def named(three: list[float]) -> dict[str, float]:
    return dict(zip(("p10_s", "p50_s", "p90_s"), three, strict=True))


def running(eta: Eta | None) -> Job:
    fields = {"job_id": "j1", "client_id": "c", "video_url": "v", "created_at": AT, "updated_at": AT}
    return Job(state=State.RUNNING, seq=2, eta=eta, **fields)


@given(told=st.lists(st.tuples(etas | sane, st.floats(0, 1e4), chances), min_size=1, max_size=12))
def test_no_pause_is_a_tight_loop_nor_past_the_longest(told: list[tuple[Eta, float, float]]) -> None:
    schedule, now_s = Schedule(Backoff()), 0.0
    for polls, (eta, later_s, chance) in enumerate(told, 1):
        schedule.hear(running(eta), now_s)
        now_s += later_s
        assert LEAST_S <= schedule.pause_s(now_s, polls, chance) <= LONGEST_S


@given(eta=sane, chance=chances)
@example(eta=Eta(p10_s=28.0, p50_s=28.0, p90_s=28.0), chance=0.0)  # just below the cap
def test_no_look_comes_before_one_job_in_a_hundred_has_ended(eta: Eta, chance: float) -> None:
    schedule = Schedule(Backoff())
    schedule.hear(running(eta), 0.0)
    law = Remaining.of(eta)
    assert law is not None
    assert schedule.pause_s(0.0, 1, chance) >= min(law.quantile_s(0.01), LONGEST_S / 1.1) - 1e-6


@given(eta=sane, times=st.floats(1, 10))
def test_a_law_that_is_slower_is_not_looked_at_sooner(eta: Eta, times: float) -> None:
    slower = Eta(p10_s=eta.p10_s * times, p50_s=eta.p50_s * times, p90_s=eta.p90_s * times)
    firsts = []
    for each in (eta, slower):
        schedule = Schedule(Backoff())
        schedule.hear(running(each), 0.0)
        firsts.append(schedule.pause_s(0.0, 1, 0.0))
    assert firsts[1] >= firsts[0] * 0.98 - 0.2


runs = st.floats(0, 1e5)
samples = st.builds(
    Sample, runs, st.none() | st.floats(0, 1e5), st.lists(st.floats(0, 1e5), max_size=9).map(sorted).map(tuple)
)
traffics = st.builds(Traffic, st.integers(0, 5000), st.integers(0, 50), st.integers(0, 50))


@given(
    past=st.lists(samples, min_size=1, max_size=60).map(Past),
    passed_s=st.floats(-10, 1e6),
    reported=st.floats(0, 1),
    reported_s=st.floats(0, 1e5),
    video_s=st.none() | st.floats(0, 1e5),
    traffic=traffics,
    position=st.none() | st.integers(0, 5000),
)
def test_an_eta_is_finite_never_negative_and_in_order(
    past: Past,
    passed_s: float,
    reported: float,
    reported_s: float,
    video_s: float | None,
    traffic: Traffic,
    position: int | None,
) -> None:
    queued = a_job(video_duration_s=video_s, position=position)
    begun = moves.start(queued, START)
    said = moves.advance(begun, START + timedelta(seconds=reported_s), stage="voice", progress=reported)
    for job in (queued, begun, said):
        eta = forecast(past, job, START + timedelta(seconds=passed_s), traffic)
        if eta is not None:
            assert 0 <= eta.p10_s <= eta.p50_s <= eta.p90_s < math.inf


@given(values=st.lists(runs, min_size=1, max_size=60), ages=st.tuples(st.floats(0, 2e5), st.floats(0, 2e5)))
def test_a_law_never_promises_an_end_in_the_past(values: list[float], ages: tuple[float, float]) -> None:
    law = Law(values)
    for age in ages:
        assert law.remaining(age).p10 >= 0


@given(seed=st.integers(0, 2**32))
def test_two_hundred_jobs_teach_the_law(seed: int) -> None:
    rng = Random(seed)  # noqa: S311
    draws = {
        "uniform": ([rng.uniform(5, 15) for _ in range(200)], [6.0, 10.0, 14.0]),
        "lognormal": (
            [rng.lognormvariate(math.log(10) - 0.125, 0.5) for _ in range(200)],
            [math.exp(NormalDist(math.log(10) - 0.125, 0.5).inv_cdf(share)) for share in (0.1, 0.5, 0.9)],
        ),
    }
    for learned, true in draws.values():
        assert list(Law(learned).remaining(0.0)) == pytest.approx(true, rel=0.3)
