"""How many jobs of one client may be in the queue: judged in the step that adds one; on fakeredis and a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from given import OUTPUT, a_job, begun, made

from contract.errors import JobExistsError
from contract.job import Failure
from contract.limits import NONE, Limit, TooManyQueuedError
from contract.states import State
from store import keys
from store.jobs import Created, JobStore
from store.ledger import Ledger, New
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from given import Clock

    from store.runs import RunStore
    from store.sweep import Sweep


@pytest.fixture
def ledger(connection: redis.Redis, clock: Clock) -> Ledger:
    """Return a ledger of a service whose clients may have two jobs in the queue."""
    return Ledger(connection, StoreSettings(client_queued=2), clock)


def test_who_has_as_many_jobs_in_the_queue_as_it_may_gets_no_other_in_and_leaves_nothing_behind(
    jobs: JobStore, nothing_changes: Callable[[], None]
) -> None:
    made(jobs, "j1")
    made(jobs, "j2")
    nothing_changes()
    with pytest.raises(TooManyQueuedError) as caught:
        made(jobs, "j3")
    with pytest.raises(TooManyQueuedError):
        jobs.create(a_job("j3"), fingerprint="f", idempotency_key="k")
    assert (caught.value.limit, caught.value.most, caught.value.retry_after_s) == ("queued", 2, 5)


def test_the_jobs_of_others_do_not_count(jobs: JobStore) -> None:
    for client_id in ("a", "b"):
        for job_id in ("j1", "j2"):
            assert made(jobs, job_id, client_id=client_id).state is State.QUEUED


def test_what_was_made_before_is_found_in_a_full_queue_as_well(jobs: JobStore) -> None:
    made(jobs, "j1")
    made(jobs, "j2")
    assert not jobs.create(a_job("j1"), fingerprint="f").is_new
    with pytest.raises(JobExistsError):
        jobs.create(a_job("j1"), fingerprint="another")


def test_of_many_at_once_as_many_are_taken_as_there_is_room_for(jobs: JobStore) -> None:
    wanted = [New(a_job(name), "f") for name in ("j1", "j1", "j2", "j3", "j2", "j4")]
    found = jobs.create_many(wanted)
    assert [each.is_new if isinstance(each, Created) else each.limit for each in found] == [
        True,
        False,
        True,
        "queued",
        False,
        "queued",
    ]


def test_who_begins_or_ends_makes_room(jobs: JobStore, runs: RunStore) -> None:
    begun(jobs, runs, "j1")
    made(jobs, "j2")
    made(jobs, "j3")
    jobs.cancel("j2", "default")
    assert made(jobs, "j4").state is State.QUEUED


def test_a_retry_is_queued_again_however_full_the_queue_is(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock
) -> None:
    first, second = begun(jobs, runs, "j1"), begun(jobs, runs, "j2")
    made(jobs, "j3")
    made(jobs, "j4")
    first.fail(Failure(code="x", message="", retryable=True), pause_s=1)
    second.hand_back()
    clock.pass_s(1)
    sweep.due(clock())
    assert [job.state for job in jobs.read_many(["j1", "j2"], "default")] == [State.QUEUED, State.QUEUED]


def test_a_reset_is_one_more_job_in_the_queue(jobs: JobStore, runs: RunStore) -> None:
    begun(jobs, runs, "j1").complete(OUTPUT)
    made(jobs, "j2")
    made(jobs, "j3")
    with pytest.raises(TooManyQueuedError):
        jobs.reset("j1", "default")
    assert jobs.read("j1", "default").state is State.COMPLETED
    jobs.cancel("j2", "default")
    assert jobs.reset("j1", "default").state is State.QUEUED


@pytest.mark.parametrize(("own", "fits"), [("0", 0), ("1", 1), ("3", 3), (NONE, 4)])
def test_a_limit_of_ones_own_counts_instead(connection: redis.Redis, jobs: JobStore, own: str, fits: int) -> None:
    connection.hset(keys.limits("default"), Limit.QUEUED, own)
    found = jobs.create_many([New(a_job(f"j{number}"), "f") for number in range(4)])
    assert sum(isinstance(each, Created) for each in found) == fits


def test_when_there_will_be_room_is_told_by_what_jobs_take(
    jobs: JobStore, runs: RunStore, clock: Clock, connection: redis.Redis
) -> None:
    run = begun(jobs, runs, "j1")
    clock.pass_s(40)
    run.complete(OUTPUT)
    begun(jobs, runs, "j2")
    begun(jobs, runs, "j3")
    connection.hset(keys.limits("default"), Limit.QUEUED, 0)
    with pytest.raises(TooManyQueuedError) as caught:
        made(jobs, "j4")
    assert caught.value.retry_after_s == 20
