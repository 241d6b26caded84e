"""However requests come, to whichever process: no window has more than the rate allows, and soon it is as many."""

from bisect import bisect_left
from itertools import accumulate

import fakeredis
from given import START, Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.limits import Rate
from store.pace import Pace

PROCESSES = 3
REDIS = fakeredis.FakeRedis(version=(7,))
RATES = st.builds(Rate, st.sampled_from([1, 3, 200]), st.sampled_from([1, 20]))
VISITS = st.lists(
    st.tuples(
        st.integers(0, PROCESSES - 1),
        st.sampled_from([0, 0.5, 0.98, 1, 1.02, 19, 19.5, 20, 20.5, 21]),  # slots that pass before
        st.sampled_from([1, 2, 200]),
    ),
    max_size=8,
)


def play(rate: Rate, visits: list[tuple[int, float, int]], clock: Clock) -> list[tuple[float, int]]:
    """Make the requests; return when some came, and how many of them were let through."""
    REDIS.flushall()
    processes = [Pace(REDIS, clock) for _ in range(PROCESSES)]
    passed = []
    for process, pause_slots, tries in visits:
        clock.pass_s(round(pause_slots * rate.within_s / 20, 3))
        found = [processes[process].count("a", rate) for _ in range(tries)]
        passed.append(((clock() - START).total_seconds(), sum(each is not None and not each.is_over for each in found)))
    return passed


@given(rate=RATES, visits=VISITS)
@settings(deadline=None, max_examples=20)
def test_no_window_has_more_than_the_rate_allows(rate: Rate, visits: list[tuple[int, float, int]]) -> None:
    passed = play(rate, visits, Clock())
    times = [at_s for at_s, _ in passed]
    sums = [0, *accumulate(count for _, count in passed)]
    for begin, at_s in enumerate(times):
        end = bisect_left(times, at_s + rate.within_s - 1e-9)
        assert sums[end] - sums[begin] <= rate.most


@given(rate=RATES, visits=VISITS)
@settings(deadline=None, max_examples=8)
def test_who_has_rested_for_a_window_and_a_slot_has_all_of_it_again(
    rate: Rate, visits: list[tuple[int, float, int]]
) -> None:
    clock = Clock()
    play(rate, visits, clock)
    clock.pass_s(rate.within_s * 1.05)
    pace = Pace(REDIS, clock)
    found = [pace.count("a", rate) for _ in range(rate.most)]
    assert all(each is not None and not each.is_over for each in found)
