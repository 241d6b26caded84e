import math
from random import Random
from statistics import fmean, stdev

import pytest

from contract.law import LONGEST_S, Fixed, Lognormal, PerMinute, Uniform, parse


def draws(text: str, count: int = 20_000, video_duration_s: float | None = None) -> list[float]:
    rng, law = Random(1), parse(text)  # noqa: S311 - a seed makes the draws the same every time
    return [law.draw(rng, video_duration_s) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("fixed:10", Fixed(10)),
        ("uniform:5:15", Uniform(5, 15)),
        ("lognormal:10:0.5", Lognormal(10, 0.5)),
        ("per-minute:0.3", PerMinute(0.3)),
        (" Fixed:0 ", Fixed(0)),
        ("uniform:3:3", Uniform(3, 3)),
    ],
)
def test_a_law_is_read_from_its_text(text: str, law: object) -> None:
    assert parse(text) == law


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has to be a law such as fixed:10, uniform:5:15, lognormal:10:0.5, per-minute:0.3"),
        ("normal:1:2", "has to be a law such as"),
        ("10", "has to be a law such as"),
        ("fixed", "fixed takes 1 number, as in fixed:10"),
        ("uniform:5", "uniform takes 2 numbers, as in uniform:5:15"),
        ("fixed:ten", "'ten' is not a number; an example is fixed:10"),
        ("fixed:", "'' is not a number"),
        ("fixed:-1", "the duration has to be from 0 to 86400 seconds, not -1"),
        ("fixed:nan", "the duration has to be from 0"),
        ("fixed:inf", "the duration has to be from 0"),
        ("uniform:15:5", "the lower bound 15 is above the upper bound 5"),
        ("uniform:0:1e9", "the upper bound has to be from 0"),
        ("lognormal:0:1", "the mean has to be above 0"),
        ("lognormal:10:9", "sigma has to be from 0 to 3, not 9"),
        ("lognormal:10:nan", "sigma has to be from 0 to 3"),
        ("per-minute:-0.3", "minutes per minute have to be from 0"),
    ],
)
def test_a_wrong_law_is_told_what_is_wrong_with_it(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        parse(text)


def test_fixed_never_varies() -> None:
    assert set(draws("fixed:10", 10)) == {10}


def test_uniform_fills_its_bounds_evenly() -> None:
    drawn = draws("uniform:5:15")
    assert 5 <= min(drawn) < 5.01
    assert 14.99 < max(drawn) <= 15
    assert fmean(drawn) == pytest.approx(10, abs=0.1)


def test_lognormal_has_the_mean_and_the_sigma_of_its_name() -> None:
    drawn = draws("lognormal:10:0.5")
    assert fmean(drawn) == pytest.approx(10, abs=0.15)
    logs = [math.log(each) for each in drawn]
    assert stdev(logs) == pytest.approx(0.5, abs=0.01)


def test_no_law_draws_more_than_a_day() -> None:
    assert max(draws("lognormal:86400:3", 1000)) == LONGEST_S
    assert draws("per-minute:1000", 1, video_duration_s=1e6) == [LONGEST_S]


def test_per_minute_follows_the_length_of_the_video() -> None:
    assert draws("per-minute:0.3", 1, video_duration_s=600) == [180]


def test_a_video_of_unknown_length_is_taken_to_be_a_minute() -> None:
    assert draws("per-minute:0.3", 1) == [18]
