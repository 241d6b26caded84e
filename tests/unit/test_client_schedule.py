"""The schedule: what the quantiles of an eta make of the pauses."""

from datetime import UTC, datetime
from typing import Any

import pytest

from client.schedule import LEAST_S, LONGEST_S, Remaining, Schedule
from contract.backoff import Backoff
from contract.job import Eta, Job
from contract.states import State

AT = datetime(2026, 1, 1, tzinfo=UTC)
UNIFORM = Eta(p10_s=6, p50_s=10, p90_s=14)  # U(5,15)


def job(eta: Eta | None, **fields: Any) -> Job:
    known: dict[str, Any] = {"job_id": "j1", "client_id": "c", "state": State.RUNNING, "seq": 2, "video_url": "v"}
    return Job(created_at=AT, updated_at=AT, eta=eta, **(known | fields))


def pauses(eta: Eta | None, count: int, *, is_told_anew: bool = False, chance: float = 0.0) -> list[float]:
    """Return the pauses of a wait that is told an eta once, or the same again with every look."""
    schedule, now_s, found = Schedule(Backoff()), 100.0, []
    schedule.hear(job(eta), now_s)
    for polls in range(1, count + 1):
        found.append(schedule.pause_s(now_s, polls, chance))
        now_s += found[-1]
        if is_told_anew:
            schedule.hear(job(eta), now_s)
    return found


def law(eta: Eta) -> Remaining:
    found = Remaining.of(eta)
    assert found is not None
    return found


def test_the_quantiles_of_a_uniform_law_give_that_law() -> None:
    found = law(UNIFORM)
    assert (found.start_s, found.quantile_s(0.999_999), found.shape) == pytest.approx((5, 15, -1), abs=1e-4)


def test_a_law_has_the_quantiles_that_it_was_made_of() -> None:
    found = law(Eta(p10_s=4.65, p50_s=8.82, p90_s=16.75))  # lognormal
    assert [found.quantile_s(share) for share in (0.1, 0.5, 0.9)] == pytest.approx([4.65, 8.82, 16.75], abs=1e-4)


def test_growing_older_leaves_what_was_not_yet_over() -> None:
    found = law(UNIFORM).after(9)
    assert found is not None
    assert [found.quantile_s(share) for share in (0.1, 0.5, 0.9)] == pytest.approx([0.6, 3, 5.4], abs=1e-3)
    assert law(UNIFORM).after(15.1) is None


def test_the_looks_at_a_uniform_law_are_the_best_that_there_are() -> None:
    """At a price of one second the best looks are known in closed form: at 9, 12, 14 and 15 s."""
    looks: list[float] = []
    while not looks or looks[-1] < 14.8:
        at_s = looks[-1] if looks else 0.0
        left = law(UNIFORM).after(at_s)
        assert left is not None
        looks.append(at_s + left.look_s(1.0))
    assert looks == pytest.approx([9, 12, 14, 15], abs=0.1)


def test_a_job_of_known_length_is_looked_at_when_it_ends_and_not_before() -> None:
    (first,) = pauses(Eta(p10_s=10, p50_s=10, p90_s=10), 1)
    assert 10 <= first < 10.2


def test_without_an_eta_the_pauses_are_those_of_the_backoff() -> None:
    assert pauses(None, 4, chance=0.5) == [Backoff().pause_s(attempt, 0.5) for attempt in (1, 2, 3, 4)]


def test_a_job_that_is_overdue_is_waited_for_with_backoff() -> None:
    schedule = Schedule(Backoff())
    schedule.hear(job(UNIFORM), 0.0)
    assert schedule.pause_s(20.0, 3, 0.5) == Backoff().pause_s(3, 0.5)


@pytest.mark.parametrize(
    "eta",
    [
        Eta(p10_s=float("nan"), p50_s=1, p90_s=2),
        Eta(p10_s=1, p50_s=float("inf"), p90_s=float("inf")),
        Eta(p10_s=-1, p50_s=1, p90_s=2),
        Eta(p10_s=3, p50_s=2, p90_s=1),
        Eta(p10_s=1, p50_s=2, p90_s=10**400),
        Eta(p10_s="1", p50_s=2, p90_s=3),  # type: ignore[arg-type]
        Eta(p10_s=None, p50_s=2, p90_s=3),  # type: ignore[arg-type]
    ],
)
def test_quantiles_that_no_job_can_have_are_no_advice(eta: Eta) -> None:
    assert pauses(eta, 3) == pauses(None, 3)


def test_a_service_that_promises_the_end_for_ever_is_asked_ever_more_seldom() -> None:
    found = pauses(Eta(p10_s=0, p50_s=0, p90_s=0), 20, is_told_anew=True)
    assert found[:8] == pytest.approx([LEAST_S] * 8)
    assert found[-1] > 20


def test_a_long_job_is_left_alone_while_hardly_any_like_it_ends_but_not_for_ever() -> None:
    assert 100 < pauses(Eta(p10_s=120, p50_s=200, p90_s=300), 1)[0] < 200
    assert 0.9 * LONGEST_S < pauses(Eta(p10_s=3600, p50_s=4000, p90_s=5000), 1)[0] <= LONGEST_S


def test_jitter_only_makes_pauses_longer_and_by_a_tenth() -> None:
    low, high = pauses(UNIFORM, 1)[0], pauses(UNIFORM, 1, chance=0.999_999)[0]
    assert high == pytest.approx(1.1 * low, rel=1e-3)


def test_the_price_of_a_look_is_set_anew_when_a_queued_job_begins_to_run() -> None:
    told, fresh = Schedule(Backoff()), Schedule(Backoff())
    told.hear(job(Eta(p10_s=60, p50_s=100, p90_s=140), state=State.QUEUED), 0.0)
    for schedule in (told, fresh):
        schedule.hear(job(UNIFORM), 50.0)
    assert told.pause_s(50.0, 1, 0.0) == fresh.pause_s(50.0, 1, 0.0)


def test_looks_at_a_law_that_narrows_grow_no_cheaper() -> None:
    told, fresh = Schedule(Backoff()), Schedule(Backoff())
    told.hear(job(UNIFORM), 0.0)
    for schedule in (told, fresh):
        schedule.hear(job(Eta(p10_s=0.6, p50_s=3, p90_s=5.4)), 9.0)  # U(5,15) after 9 s
    assert told.pause_s(9.0, 2, 0.0) > fresh.pause_s(9.0, 2, 0.0) * 1.1


def test_of_many_jobs_the_first_tenth_to_end_says_when_to_look() -> None:
    many, soon = Schedule(Backoff()), Schedule(Backoff())
    for number in range(100):
        many.hear(job(Eta(p10_s=6 + number, p50_s=10 + number, p90_s=14 + number), job_id=f"j{number}"), 0.0)
    soon.hear(job(Eta(p10_s=16, p50_s=20, p90_s=24)), 0.0)
    assert many.pause_s(0.0, 1, 0.0) == soon.pause_s(0.0, 1, 0.0)


def test_a_job_that_has_ended_is_no_reason_to_look() -> None:
    schedule, alone = Schedule(Backoff()), Schedule(Backoff())
    schedule.hear(job(UNIFORM), 0.0)
    schedule.hear(job(None, state=State.COMPLETED, seq=3), 1.0)
    later = job(Eta(p10_s=60, p50_s=100, p90_s=140), job_id="j2")
    for each in (schedule, alone):
        each.hear(later, 1.0)
    assert schedule.pause_s(1.0, 1, 0.0) == alone.pause_s(1.0, 1, 0.0)
