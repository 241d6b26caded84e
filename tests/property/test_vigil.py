"""Whatever outages and restarts of Redis there are, no living worker is taken for lost, and a dead one always is."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from store.durations import Past, Sample
from store.settings import StageLimit, StoreSettings
from store.vigil import SILENT_MS, Vigil
from worker.limits import Timekeeper
from worker.throttle import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

LEASE_MS = int(StoreSettings().lease_s * 1000)
LATE_MS = st.lists(st.integers(0, 500), min_size=1, max_size=9).map(cycle)
"""By how much the beats or the sweeps, due each second, come late."""

OUTAGES = st.lists(st.tuples(st.integers(2_000, 12_000), st.integers(1, 10_000), st.booleans()), max_size=4)
"""How long Redis is there, how long it is away then, and whether it was started anew."""


@dataclass
class Redis:
    """A server that comes and goes; `subscribed` says whether it knows the worker."""

    outages: list[tuple[int, int, bool]]
    subscribed: bool = True
    _met: set[int] = field(default_factory=set)

    def serves(self, at_ms: int) -> str | None:
        """Return what the server is called at a time, None while it is away."""
        name, up_from = 0, 0
        for number, (up_ms, away_ms, is_new) in enumerate(self.outages):
            if at_ms < up_from + up_ms:
                break
            if at_ms < up_from + up_ms + away_ms:
                return None
            if is_new and number not in self._met:
                self._met.add(number)
                self.subscribed = False
            name += is_new
            up_from += up_ms + away_ms
        return f"run {name}"


@given(outages=OUTAGES, beats=LATE_MS, sweeps=LATE_MS)
def test_no_living_worker_is_taken_for_lost(
    outages: list[tuple[int, int, bool]], beats: Iterator[int], sweeps: Iterator[int]
) -> None:
    redis, vigil = Redis(outages), None
    beat_ms = last_ms = sweep_ms = 0
    end_ms = sum(up + away for up, away, _ in outages) + 12_000
    while min(beat_ms, sweep_ms) < end_ms:
        now_ms = min(beat_ms, sweep_ms)
        server = redis.serves(now_ms)
        if now_ms == beat_ms:
            if server:
                last_ms, redis.subscribed = now_ms, True
            beat_ms += 1000 + next(beats)
            continue
        if server:
            vigil = Vigil.kept(vigil, now_ms, server)
            assert not (vigil.trusts_leases(LEASE_MS) and now_ms >= last_ms + LEASE_MS)
            gone = not redis.subscribed and now_ms - last_ms >= SILENT_MS
            assert not (vigil.trusts_absence() and gone)
        sweep_ms += 1000 + next(sweeps)


@given(gaps_ms=st.lists(st.integers(900, 1900), min_size=4, max_size=10))
def test_a_dead_one_is_found_however_unevenly_sweeps_come(gaps_ms: list[int]) -> None:
    vigil, at_ms = Vigil.kept(None, 0, "a"), 0
    for gap_ms in gaps_ms:
        at_ms += gap_ms
        vigil = Vigil.kept(vigil, at_ms, "a")
    assert vigil.trusts_absence() == (at_ms >= 3_000)


SECONDS = st.floats(0.1, 100)


@given(
    settings=st.builds(
        StoreSettings,
        job_limit_s=SECONDS,
        stall_limit_s=st.none() | SECONDS,
        stage_limit=st.builds(StageLimit, each_s=SECONDS),
    ),
    past=st.none() | st.lists(st.builds(Sample, SECONDS), min_size=1, max_size=30).map(Past),
    reports=st.lists(st.tuples(SECONDS, st.sampled_from(["fetch", "voice"]), st.sampled_from([0.1, 0.2])), max_size=5),
)
def test_whoever_looks_when_a_limit_is_due_sees_one_broken_and_never_looks_in_vain_twice(
    settings: StoreSettings, past: Past | None, reports: list[tuple[float, str, float]]
) -> None:
    time, now_s = Timekeeper(settings, past, 0.0), 0.0
    for pause_s, stage, progress in reports:
        now_s += pause_s
        if time.broken(now_s):
            return
        time.hear(Report(stage, progress), now_s)
    looks = 0
    while not time.broken(now_s):
        assert time.due_s() > now_s
        now_s, looks = time.due_s(), looks + 1
    assert looks <= 2
    assert now_s <= settings.job_limit_s or now_s == reports_end(reports)


def reports_end(reports: list[tuple[float, str, float]]) -> float:
    return sum(pause_s for pause_s, _, _ in reports)
