"""A quantile of many figures that are not kept is nearly the true one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from client.histogram import LONGEST_S, SHORTEST_S, STEP, Histogram

ERROR = math.sqrt(STEP) - 1 + 1e-6


@given(durations_s=st.lists(st.floats(SHORTEST_S, LONGEST_S), min_size=1), share=st.floats(0, 1))
def test_a_quantile_is_off_by_half_a_bin_at_most(durations_s: list[float], share: float) -> None:
    histogram = Histogram()
    for seconds in durations_s:
        histogram.add(seconds)
    true_s = sorted(durations_s)[max(1, math.ceil(share * len(durations_s))) - 1]
    assert math.isclose(histogram.quantile_s(share), true_s, rel_tol=ERROR)
    assert math.isclose(histogram.mean_s, math.fsum(durations_s) / len(durations_s), rel_tol=1e-9)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_it_does_not_grow_whatever_comes_and_stays_between_the_least_and_the_most(durations_s: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations_s:
        histogram.add(seconds)
    assert all(-285 <= number <= 284 for number in histogram._bins)
    if durations_s:
        assert min(durations_s) <= histogram.quantile_s(0.5) <= max(durations_s)


def test_of_nothing_all_is_nothing() -> None:
    assert (Histogram().mean_s, Histogram().quantile_s(0.95)) == (0.0, 0.0)
