"""The supervisor's decisions, told the time."""

from cli.restarts import Restarts
from contract.backoff import Backoff

CALM = Backoff(first_s=1.0, factor=2.0, cap_s=8.0)
SURE = 1 - 1e-9  # the chance that makes a pause the whole step


def restarts() -> Restarts:
    found = Restarts(foundation="valkey", backoff=CALM, steady_s=30.0)
    for name in ("valkey", "api", "worker-1"):
        found.started(name, 0.0)
    return found


def test_nothing_is_started_again_while_all_live() -> None:
    assert restarts().due(1e9) == []


def test_what_dies_comes_back_after_its_pause() -> None:
    found = restarts()
    pause_s = found.died("api", 5.0, SURE)
    assert round(pause_s, 3) == 1.0
    assert found.due(5.0 + pause_s - 0.01) == []
    assert found.due(5.0 + pause_s) == ["api"]


def test_what_was_started_again_is_not_due_any_more() -> None:
    found = restarts()
    found.died("api", 5.0, 0.0)
    found.started("api", 6.0)
    assert found.due(100.0) == []


def test_pauses_grow_while_a_part_keeps_dying_and_end_at_the_cap() -> None:
    found, at_s, pauses = restarts(), 0.0, []
    for _ in range(6):
        at_s += 1.0
        pauses.append(round(found.died("api", at_s, SURE), 3))
        at_s += pauses[-1]
        found.started("api", at_s)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_part_that_has_lived_long_begins_at_the_shortest_pause_again() -> None:
    found = restarts()
    found.died("api", 1.0, SURE)
    found.started("api", 2.0)
    found.died("api", 3.0, SURE)
    found.started("api", 5.0)
    assert round(found.died("api", 35.0, SURE), 3) == 1.0


def test_one_parts_falls_are_not_counted_for_another() -> None:
    found = restarts()
    found.died("api", 1.0, SURE)
    assert round(found.died("worker-1", 1.0, SURE), 3) == 1.0


def test_the_others_come_back_only_once_the_foundation_runs() -> None:
    found = restarts()
    found.died("worker-1", 1.0, 0.0)
    found.died("valkey", 1.2, SURE)
    assert found.due(1.6) == []
    assert found.due(10.0) == ["valkey"]
    found.started("valkey", 10.0)
    assert found.due(10.0) == ["worker-1"]


def test_without_an_embedded_valkey_nobody_waits_for_it() -> None:
    found = Restarts(foundation="valkey", backoff=CALM)
    found.started("api", 0.0)
    found.died("api", 1.0, 0.0)
    assert found.due(2.0) == ["api"]
