"""Whatever a client does to its clock, time never goes back."""

import math

from hypothesis import given
from hypothesis import strategies as st

from contract.clock import Clock

turns = st.lists(
    st.tuples(st.integers(1, 10_000), st.one_of(st.just(0.0), st.floats(0.01, 1000)), st.floats(0, 10_000)), max_size=8
)
moments = st.lists(st.integers(0, 100_000), min_size=2, max_size=9).map(sorted)


def bent(how: list[tuple[int, float, float]]) -> tuple[Clock, int]:
    """Return a clock that was run at a speed and put forward at each of several times, and the last of these."""
    clock, real_s = Clock(), 0
    for pause_s, speed, seconds in how:
        real_s += pause_s
        clock = clock.run(real_s, speed).advance(real_s, seconds)
    return clock, real_s


@given(how=turns, moments=moments)
def test_a_clock_never_goes_back(how: list[tuple[int, float, float]], moments: list[int]) -> None:
    clock, last_s = bent(how)
    shown = [clock.at_s(moment) for moment in moments]
    assert shown == sorted(shown)
    assert clock.at_s(last_s) <= clock.now_s(last_s) <= clock.now_s(last_s + 1)


@given(how=turns, ahead_s=st.floats(0, 10_000), later_s=st.integers(0, 100))
def test_what_is_left_is_over_exactly_when_the_clock_says_so(
    how: list[tuple[int, float, float]], ahead_s: float, later_s: int
) -> None:
    clock, last_s = bent(how)
    real_s = last_s + later_s
    target_s = clock.now_s(real_s) + ahead_s
    left_s = clock.left_s(target_s, real_s)
    assert left_s >= 0
    if math.isinf(left_s):
        assert clock.is_frozen
    else:
        assert math.isclose(clock.now_s(real_s + left_s), target_s, rel_tol=1e-9, abs_tol=1e-6)
