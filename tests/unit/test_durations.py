"""What past jobs took: samples, laws and yardsticks, and what follows for a job that goes on."""

import math
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from given import START, a_job

from contract.job import Eta, Job, Output
from contract.moves import advance, cancel, complete, start
from store.durations import FEW, Law, Passage, Past, Sample
from store.forecast import Traffic, forecast, places
from store.records import eta_json

UNIFORM = Past([Sample(5 + place / 20) for place in range(201)])
BUSY = Traffic(queued=10, running=2, slots=2)


def running(progress: float = 0.0, after_s: float = 0.0, **fields: object) -> Job:
    job = start(a_job(**fields), START)
    return advance(job, START + timedelta(seconds=after_s), stage="voice", progress=progress) if after_s else job


def eta_after(past: Past, job: Job, seconds: float, traffic: Traffic = BUSY) -> Eta:
    eta = forecast(past, job, START + timedelta(seconds=seconds), traffic)
    assert eta is not None
    return eta


def steady(jobs: int, *, is_honest: bool = True) -> Past:
    """Jobs of 5 to 15 s that report their progress as it is, or as the dice say."""
    rng = Random(1)  # noqa: S311
    samples = []
    for _ in range(jobs):
        run_s, passage = rng.uniform(5, 15), Passage()
        shares = [at / 10 for at in range(1, 10)] if is_honest else sorted(rng.random() ** 3 for _ in range(9))
        for at in range(1, 10):
            passage.hear(run_s * shares[at - 1], at / 10)
        samples.append(Sample(run_s, None, tuple(passage.marks_s)))
    return Past(samples)


def test_a_sample_is_read_as_it_was_written() -> None:
    sample = Sample(12.345, 60.5, (1.0, 2.5))
    assert Sample.parse(sample.encode().encode()) == sample
    assert Sample.parse(Sample(1.0).encode().encode()) == Sample(1.0)


def test_only_ends_of_the_engines_own_teach() -> None:
    job = running()
    ended = complete(job, START + timedelta(seconds=7), Output(video_url="v", captions_url="c"))
    assert Sample.of(ended) == Sample(7.0)
    assert Sample.of(job) is None
    assert Sample.of(cancel(job, START)) is None


def test_progress_between_two_reports_is_taken_in_proportion() -> None:
    passage = Passage()
    passage.hear(2.0, 0.2)
    passage.hear(6.0, 0.4)
    assert passage.marks_s == pytest.approx([1.0, 2.0, 4.0, 6.0])


def test_the_remaining_law_is_that_of_the_jobs_which_took_longer() -> None:
    fresh, old = eta_after(UNIFORM, running(), 0), eta_after(UNIFORM, running(), 9)
    assert (fresh.p10_s, fresh.p50_s, fresh.p90_s) == pytest.approx((6, 10, 14), abs=0.1)
    assert (old.p10_s, old.p50_s, old.p90_s) == pytest.approx((0.6, 3, 5.4), abs=0.1)


def test_a_job_that_outlasts_all_known_ones_is_expected_to_take_as_long_again() -> None:
    little, much = (eta_after(UNIFORM, running(), 15 + over_s).p50_s for over_s in (1, 100))
    assert 0.5 < little < 2
    assert 60 < much < 80


def test_one_known_job_makes_a_broad_guess() -> None:
    eta = eta_after(Past([Sample(10.0)]), running(), 0)
    assert eta.p10_s < 2
    assert 5 < eta.p50_s < 10
    assert eta.p90_s > 20


def test_honest_progress_sharpens_the_guess() -> None:
    eta = eta_after(steady(60), running(0.5, after_s=6.5), 7)
    assert (eta.p10_s, eta.p50_s, eta.p90_s) == pytest.approx((6, 6, 6), abs=0.1)


def test_progress_that_promises_nothing_is_not_believed() -> None:
    past = steady(60, is_honest=False)
    assert eta_after(past, running(0.9, after_s=2.0), 2) == eta_after(past, running(), 2)


def test_progress_is_not_believed_before_there_are_a_few_to_learn_from() -> None:
    past = steady(FEW - 1)
    assert eta_after(past, running(0.5, after_s=6.5), 7) == eta_after(past, running(), 7)


def test_the_length_of_the_video_is_the_yardstick_where_jobs_follow_it() -> None:
    rng = Random(1)  # noqa: S311
    lengths = [rng.uniform(30, 600) for _ in range(100)]
    past = Past([Sample(0.3 * length, length) for length in lengths])
    assert eta_after(past, running(video_duration_s=200.0), 0).p50_s == pytest.approx(60, abs=1)
    apart = Past([Sample(rng.uniform(5, 15), length) for length in lengths])
    assert eta_after(apart, running(video_duration_s=30.0), 0) == eta_after(apart, running(), 0)


def test_a_queued_job_waits_for_those_ahead_of_it() -> None:
    etas = [eta_after(UNIFORM, a_job(position=place), 0) for place in (0, 10, 100)]
    assert [eta.p50_s for eta in etas] == pytest.approx([12.5, 62.5, 512.5], abs=0.5)
    idle = eta_after(UNIFORM, a_job(position=0), 0, Traffic(queued=0, running=1, slots=2))
    assert idle == eta_after(UNIFORM, running(), 0)


@pytest.mark.parametrize("traffic", [BUSY, Traffic(queued=0, running=3, slots=8), Traffic(queued=3000, running=5)])
def test_between_the_places_of_which_it_is_told_an_eta_lies_on_a_line(traffic: Traffic) -> None:
    known = places(UNIFORM, a_job(), START, traffic)
    assert known[-1][0] > traffic.queued
    for (before, low), (after, high) in pairwise(known):
        middle = (before + after) // 2
        share = (middle - before) / (after - before)
        eta = eta_after(UNIFORM, a_job(position=middle), 0, traffic)
        for name in ("p10_s", "p50_s", "p90_s"):
            on_the_line = getattr(low, name) + share * (getattr(high, name) - getattr(low, name))
            assert on_the_line == pytest.approx(getattr(eta, name), rel=0.02)


def test_a_queued_job_ends_no_sooner_than_if_it_began_now() -> None:
    wide = Past([Sample(10.0)] * 50 + [Sample(1000.0)] * 8)
    assert eta_after(wide, a_job(position=0), 0).p10_s == eta_after(wide, running(), 0).p10_s


def test_a_job_that_is_final_or_in_no_queue_has_no_eta() -> None:
    assert forecast(UNIFORM, a_job(position=None), START, BUSY) is None
    assert forecast(UNIFORM, cancel(a_job(), START), START, BUSY) is None


@pytest.mark.parametrize("length_s", [5e-324, 1e-308, 1e-300])
def test_what_is_no_finite_number_is_no_eta(length_s: float) -> None:
    past = Past([Sample(0.3 * length, float(length)) for length in range(10, 210)])
    job = running(video_duration_s=length_s)
    found = forecast(past, job, START + timedelta(seconds=5), BUSY)
    assert found is None or all(map(math.isfinite, (found.p10_s, found.p50_s, found.p90_s)))
    assert eta_after(past, replace(job, progress=5e-324, updated_at=START + timedelta(seconds=1)), 0)


@pytest.mark.parametrize("wrong", [math.inf, math.nan])
def test_an_eta_that_is_no_number_is_not_written_as_json(wrong: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        eta_json(Eta(p10_s=wrong, p50_s=1.0, p90_s=2.0))


def test_jobs_that_take_no_time_at_all_have_a_law_too() -> None:
    law = Law([0.0] * 50)
    assert law.remaining(0.0).p90 > 0
    assert Past([Sample(0.0, 10.0)] * 50).per_video is None
