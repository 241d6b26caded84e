"""The store's sentences about runs; each is tried on fakeredis and on a real Valkey."""

import pytest
import redis
from given import OUTPUT, Clock, a_job, begun, made
from keyspace import told

from contract.errors import StaleWriteError
from contract.job import Failure
from contract.states import State
from store import keys
from store.durations import Sample
from store.jobs import JobStore
from store.ledger import Ledger
from store.runs import Beat, Run, RunStore, beat_all

PASSING = Failure(code="x", message="", retryable=True)


def test_a_run_goes_from_start_to_completion(
    jobs: JobStore, runs: RunStore, connection: redis.Redis, clock: Clock
) -> None:
    run = begun(jobs, runs)
    clock.pass_s(2)
    run.advance("fetch", 0.25)
    run.complete(OUTPUT)
    job = jobs.read("j1", "default")
    assert (job.state, job.progress, job.output, job.finished_at) == (State.COMPLETED, 1.0, OUTPUT, clock())
    states = [State.QUEUED, State.RUNNING, State.RUNNING, State.COMPLETED]
    assert told(connection) == [("j1", seq, state) for seq, state in enumerate(states, 1)]
    assert connection.zcard(keys.RUNNING) == connection.zcard(keys.QUEUED) == 0


def test_a_second_delivery_of_a_job_is_void(jobs: JobStore, runs: RunStore) -> None:
    run = begun(jobs, runs)
    assert runs.start("j1") is None
    run.complete(OUTPUT)
    assert runs.start("j1") is None
    assert runs.start("unknown") is None


def test_a_retry_waits_for_its_pause_outside_the_queue(jobs: JobStore, runs: RunStore, connection: redis.Redis) -> None:
    run = begun(jobs, runs)
    connection.delete("rq:queue:default")
    job = run.fail(PASSING, pause_s=3)
    assert (job.state, job.attempt, job.position) == (State.QUEUED, 2, None)
    assert runs.start("j1") is None
    assert connection.llen("rq:queue:default") == 0


def test_a_run_that_was_given_up_can_write_nothing(jobs: JobStore, runs: RunStore, connection: redis.Redis) -> None:
    old = begun(jobs, runs)
    twin = Run(old._ledger, old.record)
    twin.fail(PASSING)
    new = runs.start("j1")
    assert new is not None
    before = told(connection)
    for report in (
        lambda: old.advance("fetch", 0.5),
        lambda: old.complete(OUTPUT),
        lambda: old.fail(PASSING),
        old.cancel,
    ):
        with pytest.raises(StaleWriteError):
            report()
    assert old.beat() is Beat.GONE
    assert new.beat() is Beat.GO
    assert told(connection) == before


@pytest.mark.parametrize("later_s", [0, 1])
def test_a_write_whose_answer_was_lost_is_not_done_twice(
    jobs: JobStore, runs: RunStore, connection: redis.Redis, clock: Clock, later_s: int
) -> None:
    """Sent again by the connection it is the same to the letter; tried again by the worker it has a later time."""
    run = begun(jobs, runs)
    before = run.record
    run.advance("fetch", 0.5)
    run.record = before
    clock.pass_s(later_s)
    assert run.advance("fetch", 0.5).seq == 3
    before = run.record
    run.complete(OUTPUT)
    run.record = before
    clock.pass_s(later_s)
    assert run.complete(OUTPUT).state is State.COMPLETED
    assert [seq for _, seq, _ in told(connection)] == [1, 2, 3, 4]


def test_a_running_job_hears_of_its_cancelling(jobs: JobStore, runs: RunStore, connection: redis.Redis) -> None:
    run = begun(jobs, runs)
    assert jobs.cancel("j1", "default").state is State.RUNNING
    assert jobs.cancel("j1", "default").state is State.RUNNING
    assert run.beat() is Beat.CANCEL
    assert run.cancel().state is State.CANCELLED
    assert [seq for _, seq, _ in told(connection)] == [1, 2, 3]


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_a_job_that_ends_after_its_cancelling_was_asked_for_is_cancelled(
    jobs: JobStore, runs: RunStore, end: str
) -> None:
    run = begun(jobs, runs)
    jobs.cancel("j1", "default")
    run.advance("fetch", 0.1)
    assert run.beat() is Beat.CANCEL
    job = run.complete(OUTPUT) if end == "complete" else run.fail(PASSING)
    assert job.state is State.CANCELLED


def test_jobs_are_numbered_as_they_come(jobs: JobStore, runs: RunStore) -> None:
    assert [begun(jobs, runs, job_id).record.number for job_id in ("a", "b")] == [1, 2]


def test_what_a_job_was_asked_to_simulate_reaches_its_run(jobs: JobStore, runs: RunStore) -> None:
    jobs.create(a_job(), fingerprint="f", simulate={"duration_s": 1})
    run = runs.start("j1")
    assert run is not None
    assert run.record.simulate == {"duration_s": 1}


def test_a_job_that_is_handed_back_is_the_next_to_be_taken_and_has_used_up_no_attempt(
    jobs: JobStore, runs: RunStore, ledger: Ledger, clock: Clock
) -> None:
    run = begun(jobs, runs)
    ledger.redis.lpop(ledger.turns.queue.key)  # as its worker has done
    clock.pass_s(1)
    made(jobs, "j2")
    back = run.hand_back()
    assert (back.state, back.attempt, back.position) == (State.QUEUED, 1, 0)
    assert ledger.turns.queue.job_ids == ["j1", "j2"]
    assert run.beat() is Beat.GONE
    again = runs.start("j1")
    assert again is not None
    assert again.job.attempt == 1


def test_progress_that_an_earlier_run_has_made_teaches_nothing(
    jobs: JobStore, runs: RunStore, ledger: Ledger, clock: Clock
) -> None:
    run = begun(jobs, runs)
    clock.pass_s(10)
    run.advance("voice", 0.5)
    run.hand_back()
    again = runs.start("j1")
    assert again is not None
    for progress in (0.1, 0.3, 0.6):
        clock.pass_s(5)
        again.advance("voice", progress)
    again.complete(OUTPUT)
    (row,) = ledger.redis.lrange(keys.durations(simulated=False), 0, -1)
    assert Sample.parse(row).marks_s[0] == 2.5


def test_a_job_whose_end_was_asked_for_is_not_handed_back_but_cancelled(jobs: JobStore, runs: RunStore) -> None:
    run = begun(jobs, runs)
    jobs.cancel("j1", "default")
    assert run.hand_back().state is State.CANCELLED


def test_many_leases_are_renewed_at_once_and_each_run_hears_its_own(
    jobs: JobStore, runs: RunStore, ledger: Ledger
) -> None:
    held = [begun(jobs, runs, job_id) for job_id in ("j1", "j2", "j3")]
    jobs.cancel("j2", "default")
    held[2].complete(OUTPUT)
    assert beat_all(ledger, held) == [Beat.GO, Beat.CANCEL, Beat.GONE]
    assert beat_all(ledger, []) == []
