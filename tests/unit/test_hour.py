"""An hour is told minute by minute, as far as it is known."""

from collections import Counter

import pytest

from store.hour import MINUTES, Hour, error_rate, quantile_s, since
from store.measures import FINISHED, RUN
from store.minutes import Found


def hour(found: dict[int, Found], now: Found) -> Hour:
    """Return an hour of which some minutes are known, by their place."""
    return Hour([found.get(at) for at in range(MINUTES)], now)


def test_a_minute_is_the_difference_of_two_copies_and_the_last_one_goes_on() -> None:
    before, after = {"jobs_submitted|low": 5}, {"jobs_submitted|low": 6, "jobs_submitted|high": 1, "running": 2}
    told = hour({58: before, 59: after}, {**after, "jobs_submitted|low": 9, "running": 3}).to_wire()
    assert told["counted"]["submitted"] == [None] * 58 + [2, 3]
    assert told["measured"]["running"] == [None] * 58 + [2, 3]
    assert told["whole"]["counted"]["submitted"] == 5


def test_what_nobody_has_copied_is_not_known_and_still_in_the_sum() -> None:
    found = {0: {"jobs_finished|error": 5}, 2: {"jobs_finished|error": 9}}
    told = hour(found, {"jobs_finished|error": 10}).to_wire()
    assert told["counted"]["error"] == [None] * MINUTES
    assert told["whole"]["counted"]["error"] == 5


def test_durations_are_told_by_minute_and_for_the_whole_hour_whatever_came_of_them() -> None:
    after = {"run_seconds|completed|10": 5, "run_seconds|error|10": 5, "run_seconds|error|us": 7}
    told = hour({58: {}, 59: after}, {**after, "run_seconds|completed|15": 10, "stage_seconds|fetch|0.1": 1}).to_wire()
    assert told["durations"]["run"][57:] == [
        None,
        {"count": 10, "p50_s": 9.0, "p90_s": 9.8},
        {"count": 10, "p50_s": 13.75, "p90_s": 14.75},
    ]
    assert told["whole"]["durations"]["run"] == {"count": 20, "p50_s": 10.0, "p90_s": 14.5}
    assert told["whole"]["durations"]["fetch"]["count"] == 1
    assert told["whole"]["durations"]["voice"] is None


def test_a_minute_in_which_nothing_was_ever_counted_is_a_minute_of_nothing() -> None:
    told = hour({59: {}}, {}).to_wire()
    assert (told["counted"]["error"][-2:], told["durations"]["run"][-1]) == ([None, 0], None)


def test_a_count_that_fell_has_begun_anew() -> None:
    assert since({"a": 9, "b": 1}, {"a": 2, "b": 1}) == Counter(a=2, b=0)


def test_the_error_rate_leaves_out_who_was_cancelled() -> None:
    assert error_rate({}) is None
    assert error_rate({FINISHED.of("cancelled"): 9}) is None
    assert error_rate({FINISHED.of("cancelled"): 9, FINISHED.of("completed"): 3, FINISHED.of("error"): 1}) == 0.25


@pytest.mark.parametrize(
    ("buckets", "share", "seconds"),
    [([4, 0, 0], 0.5, 0.5), ([0, 4, 0], 0.25, 1.25), ([2, 2, 0], 1, 2.0), ([1, 1, 2], 0.9, 2.0), ([0, 0, 1], 0, 2.0)],
)
def test_a_quantile_lies_evenly_in_its_bucket_and_is_never_beyond_the_last_bound(
    buckets: list[int], share: float, seconds: float
) -> None:
    assert quantile_s((1.0, 2.0), buckets, share) == seconds


def test_buckets_are_close_enough_for_what_the_page_shows_of_runs() -> None:
    taken = [5 + 10 * at / 1000 for at in range(1000)]
    counts = Counter(name for seconds in taken for name in RUN.of(seconds, "completed") if not name.endswith("us"))
    told = hour({0: {}}, counts).to_wire()["whole"]["durations"]["run"]
    assert (told["p50_s"], told["p90_s"]) == (pytest.approx(10, rel=0.02), pytest.approx(14, rel=0.02))
