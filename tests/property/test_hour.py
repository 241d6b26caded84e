"""What minutes add up to is what the hour comes to, and a quantile lies where its times do."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from store.hour import COUNTED, MINUTES, TOLD, Hour, quantile_s, took
from store.measures import ATTEMPTS, FINISHED, KNOWING, RUN, SUBMITTED, Histogram

NAMES = [
    name
    for each in (SUBMITTED, FINISHED, ATTEMPTS, RUN, KNOWING)
    for value in each.always
    for name in ([*each.of(0.3, value), *each.of(70, value)] if isinstance(each, Histogram) else [each.of(value)])
]
STEPS = st.lists(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 50), max_size=8), max_size=8)


@settings(max_examples=40)
@given(steps=STEPS)
def test_minutes_that_are_all_known_add_up_to_the_hour(steps: list[dict[str, int]]) -> None:
    empty: list[dict[str, int]] = [{} for _ in range(MINUTES - len(steps))]
    *found, now = accumulate([Counter(), *map(Counter, [*empty, *steps])], lambda before, more: before + more)
    told = Hour(found, now).to_wire()
    assert {name: sum(counts) for name, counts in told["counted"].items()} == told["whole"]["counted"]
    for what in TOLD:
        counts = [each["count"] for each in told["durations"][what] if each]
        whole = told["whole"]["durations"][what]
        assert sum(counts) == (whole["count"] if whole else 0)
    assert set(told["counted"]) == set(COUNTED)


@given(times_s=st.lists(st.floats(0, 3600), min_size=1), share=st.floats(0, 1))
def test_a_quantile_is_in_the_bucket_of_the_true_one(times_s: list[float], share: float) -> None:
    true_s = sorted(times_s)[max(1, math.ceil(share * len(times_s))) - 1]
    bounds = RUN.bounds_s
    low_s = max((bound for bound in bounds if bound < true_s), default=0.0)
    high_s = min(bound for bound in bounds if bound >= true_s)
    buckets = [sum(low < each <= high for each in times_s) for low, high in zip((-1.0, *bounds), bounds, strict=False)]
    told_s = quantile_s(bounds, [*buckets, 0], share)
    assert low_s * (1 - 1e-9) <= told_s <= high_s * (1 + 1e-9)


@given(times_s=st.lists(st.floats(0, 10_000), min_size=1))
def test_nine_in_ten_take_no_less_than_half_and_all_are_counted(times_s: list[float]) -> None:
    counts = Counter[str]()
    for each in times_s:
        counts.update(RUN.of(each, "completed"))
    told = took(counts, "run")
    assert told is not None
    assert told["p50_s"] <= told["p90_s"]
    assert told["count"] == len(times_s)
