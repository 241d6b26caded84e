"""When silence is a worker's own, as a pure decision."""

import pytest

from store.vigil import GAP_MS, HICCUP_MS, SETTLE_MS, Vigil, left_behind

LEASE_MS = 8000


def kept(*gaps_ms: int, server: str = "a") -> Vigil:
    """Return the vigil after sweeps with these gaps between them."""
    vigil, at_ms = Vigil.kept(None, 0, server), 0
    for gap_ms in gaps_ms:
        at_ms += gap_ms
        vigil = Vigil.kept(vigil, at_ms, server)
    return vigil


def test_a_lease_is_trusted_once_sweeps_have_come_for_as_long() -> None:
    assert not kept(*[1000] * 7).trusts_leases(LEASE_MS)
    assert kept(*[1000] * 8).trusts_leases(LEASE_MS)


def test_an_absence_is_trusted_long_before_a_lease_is() -> None:
    assert not kept(1000, 1000).trusts_absence()
    assert kept(1000, 1000, 1000).trusts_absence()
    assert SETTLE_MS < LEASE_MS / 2


@pytest.mark.parametrize("gap_ms", [GAP_MS + 1, -1])
def test_a_long_gap_and_a_clock_that_is_set_back_begin_anew(gap_ms: int) -> None:
    vigil = kept(*[1000] * 20, gap_ms)
    assert not vigil.trusts_leases(LEASE_MS)
    assert not vigil.trusts_absence()


def test_a_turn_that_comes_late_calls_nobody_absent_but_the_next_one_does() -> None:
    late = kept(*[1000] * 20, HICCUP_MS + 1)
    assert late.trusts_leases(LEASE_MS)
    assert not late.trusts_absence()
    assert Vigil.kept(late, late.last_ms + 1000, "a").trusts_absence()


def test_a_server_that_has_begun_anew_is_watched_anew() -> None:
    before = kept(*[1000] * 20)
    after = Vigil.kept(before, before.last_ms + 500, "b")
    assert not after.trusts_leases(LEASE_MS)
    assert not after.trusts_absence()


def test_a_server_that_does_not_say_who_it_is_leaves_all_to_leases() -> None:
    vigil = kept(*[1000] * 20, server="")
    assert vigil.trusts_leases(LEASE_MS)
    assert not vigil.trusts_absence()


def test_only_runs_of_a_named_holder_that_is_not_there_are_left_behind() -> None:
    silent = {"killed": "k", "frozen": "f", "old": ""}
    assert left_behind(silent, present={"f"}) == ["killed"]
