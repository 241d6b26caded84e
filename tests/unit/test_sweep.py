"""What the sweep brings back and forgets; each is tried on fakeredis and on a real Valkey, and time is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from given import OUTPUT, Clock, a_job, begun

from contract.errors import JobNotFoundError
from contract.job import Failure, Priority
from contract.states import State
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger
from store.runs import Beat, RunStore
from store.settings import StoreSettings
from store.sweep import Found, Sweep

if TYPE_CHECKING:
    import redis

PASSING = Failure(code="x", message="", retryable=True)


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


def test_the_job_of_a_silent_worker_is_queued_again(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    run = begun(jobs, runs)
    connection.delete("rq:queue:default")
    clock.pass_s(5)
    assert sweep.lost(clock()) == []
    assert run.beat() is Beat.GO
    clock.pass_s(7)
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
    clock.pass_s(9)
    sweep.lost(clock())
    assert connection.lrange("rq:queue:default", 0, -1) == [b"j1", b"a", b"b"]
    assert [job.position for job in jobs.read_many(["j1", "a", "b"], "default")] == [0, 1, 2]


def test_a_job_that_loses_its_worker_on_its_last_attempt_ends_in_error(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock
) -> None:
    begun(jobs, runs, max_attempts=1)
    clock.pass_s(9)
    sweep.lost(clock())
    job = jobs.read("j1", "default")
    assert job.error is not None
    assert (job.state, job.error.code) == (State.ERROR, "worker_lost")


def test_a_lost_job_whose_cancelling_was_asked_for_is_cancelled(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock
) -> None:
    begun(jobs, runs)
    jobs.cancel("j1", "default")
    clock.pass_s(9)
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
    assert sweep.strays(clock()) == []
    clock.pass_s(1.5)
    assert sweep.strays(clock()) == []
    clock.pass_s(0.5)
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
    about_all = {"dubq:feed:default", "dubq:ordinal:default", "dubq:tally", "dubq:turns", "rq:queues"}
    assert left - ({"dubq:durations"} if end != "cancelled" else set()) == about_all


LASTING = Failure(code="x", message="")


def test_a_reset_job_is_not_forgotten(jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock) -> None:
    begun(jobs, runs).complete(OUTPUT)
    jobs.reset("j1", "default")
    clock.pass_s(86_400 * 2)
    assert sweep.expired(clock()) == []
    assert jobs.read("j1", "default").state is State.QUEUED


def test_leftovers_in_an_index_are_dropped(connection: redis.Redis, clock: Clock) -> None:
    sweep = Sweep(Ledger(connection, StoreSettings(queue_limit_s=10), clock))
    for index in (keys.RUNNING, *map(keys.waiting, Priority), keys.DUE, keys.STRAYS, keys.FINISHED):
        connection.zadd(index, {"nobody": 0})
    for look in (sweep.lost, sweep.overdue, sweep.due, sweep.strays, sweep.expired):
        assert look(clock()) == []
    assert list(connection.scan_iter()) == []


@pytest.mark.parametrize("pause_s", [0, 3])
def test_a_job_that_waits_for_too_long_ends_in_error(connection: redis.Redis, clock: Clock, pause_s: float) -> None:
    ledger = Ledger(connection, StoreSettings(queue_limit_s=10), clock)
    jobs, sweep = JobStore(ledger), Sweep(ledger)
    begun(jobs, RunStore(ledger)).fail(PASSING, pause_s=pause_s)
    clock.pass_s(pause_s + 9)
    assert sweep.overdue(clock()) == []
    clock.pass_s(1)
    assert [(each.kind, each.job_id) for each in sweep.overdue(clock())] == [("overdue", "j1")]
    job = jobs.read("j1", "default")
    assert job.error is not None
    assert (job.state, job.error.code, job.error.retryable) == (State.ERROR, "queue_time_limit", True)
    assert connection.zcard(keys.waiting("default")) == connection.zcard(keys.QUEUED) == connection.zcard(keys.DUE) == 0


def test_a_job_that_was_begun_in_time_is_not_too_long_in_the_queue(connection: redis.Redis, clock: Clock) -> None:
    ledger = Ledger(connection, StoreSettings(queue_limit_s=10), clock)
    begun(JobStore(ledger), RunStore(ledger))
    clock.pass_s(60)
    assert Sweep(ledger).overdue(clock()) == []


def test_without_a_limit_a_job_may_wait_for_ever(jobs: JobStore, sweep: Sweep, clock: Clock) -> None:
    jobs.create(a_job(), fingerprint="f")
    clock.pass_s(86_400 * 30)
    assert sweep.overdue(clock()) == []
