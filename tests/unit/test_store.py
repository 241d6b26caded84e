"""The store's sentences about jobs; each is tried on fakeredis and on a real Valkey."""

import json
import zlib

import pytest
import redis
from given import OUTPUT, a_job, begun, made
from keyspace import told

from contract.errors import (
    BrokenRecordError,
    IllegalTransitionError,
    JobExistsError,
    JobNotFoundError,
    StaleWriteError,
)
from contract.job import Job
from contract.states import State
from store import feed, keys
from store.jobs import JobStore
from store.ledger import Ledger
from store.runs import RunStore


def test_a_new_job_is_kept_queued_listed_told_and_given_to_rq(jobs: JobStore, connection: redis.Redis) -> None:
    listener = connection.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(keys.channel("default", "j1"))
    listener.get_message(timeout=1)
    job = made(jobs)
    assert jobs.read("j1", "default") == job
    assert job.position == 0
    assert jobs.list("default").jobs == [job]
    message = listener.get_message(timeout=1)
    assert message is not None
    assert Job.from_wire(json.loads(message["data"])) == job
    assert [each.job for each in feed.read(connection, "default")] == [job]
    assert connection.lrange("rq:queue:default", 0, -1) == [b"j1"]
    assert b"worker.tasks.translate" in zlib.decompress(connection.hget("rq:job:j1", "data"))
    listener.close()


def test_the_same_submission_again_makes_no_second_job(jobs: JobStore, connection: redis.Redis) -> None:
    made(jobs)
    again = jobs.create(a_job(), fingerprint="f")
    assert not again.is_new
    assert connection.llen("rq:queue:default") == 1
    assert told(connection) == [("j1", 1, State.QUEUED)]


def test_another_submission_with_the_same_id_is_refused(jobs: JobStore, connection: redis.Redis) -> None:
    made(jobs)
    before = sorted(connection.keys())
    with pytest.raises(JobExistsError):
        jobs.create(a_job(), fingerprint="other", idempotency_key="k", id_is_chosen=True)
    assert sorted(connection.keys()) == before


def test_an_idempotency_key_stands_for_one_job(jobs: JobStore) -> None:
    first = jobs.create(a_job("j1"), fingerprint="f", idempotency_key="k")
    second = jobs.create(a_job("j2"), fingerprint="f", idempotency_key="k")
    assert (first.job.job_id, second.job.job_id, second.is_new) == ("j1", "j1", False)
    with pytest.raises(JobExistsError):
        jobs.create(a_job("j3"), fingerprint="other", idempotency_key="k")
    with pytest.raises(JobExistsError):
        jobs.create(a_job("j4"), fingerprint="f", idempotency_key="k", id_is_chosen=True)


def test_a_key_whose_job_was_never_written_still_stands_for_its_id(jobs: JobStore, connection: redis.Redis) -> None:
    connection.set(keys.idempotency("default", "k"), "j1")
    created = jobs.create(a_job("j2"), fingerprint="f", idempotency_key="k")
    assert (created.job.job_id, created.is_new) == ("j1", True)


def test_a_job_is_its_clients_alone(jobs: JobStore) -> None:
    made(jobs)
    for read in (jobs.read, jobs.cancel, jobs.reset):
        with pytest.raises(JobNotFoundError):
            read("j1", "somebody")
    assert jobs.read_many(["j1"], "somebody") == []
    assert jobs.list("somebody").jobs == []


def test_a_queued_job_is_cancelled_at_once_and_stays_so(jobs: JobStore, runs: RunStore) -> None:
    made(jobs)
    job = jobs.cancel("j1", "default")
    assert job.state is State.CANCELLED
    assert jobs.cancel("j1", "default") == job
    assert runs.start("j1") is None


def test_a_finished_job_cannot_be_cancelled(jobs: JobStore, runs: RunStore) -> None:
    begun(jobs, runs).complete(OUTPUT)
    with pytest.raises(IllegalTransitionError):
        jobs.cancel("j1", "default")


def test_a_reset_job_runs_again(jobs: JobStore, runs: RunStore, connection: redis.Redis) -> None:
    begun(jobs, runs).complete(OUTPUT)
    connection.delete("rq:queue:default")
    again = jobs.reset("j1", "default")
    assert (again.state, again.attempt, again.seq, again.position) == (State.QUEUED, 1, 4, 0)
    with pytest.raises(IllegalTransitionError):
        jobs.reset("j1", "default")
    assert connection.lrange("rq:queue:default", 0, -1) == [b"j1"]
    run = runs.start("j1")
    assert run is not None
    assert run.record.round == 1
    assert connection.zcard(keys.FINISHED) == 0


def test_the_single_job_is_claimed_once(jobs: JobStore) -> None:
    assert jobs.single("default") is None
    assert jobs.claim_single("default", "a") == "a"
    assert jobs.claim_single("default", "b") == "a"
    jobs.set_single("default", "c")
    assert jobs.single("default") == "c"


def test_the_ledger_refuses_what_was_decided_on_old_grounds(ledger: Ledger, jobs: JobStore, runs: RunStore) -> None:
    run = begun(jobs, runs)
    stale = run.record
    run.advance("fetch", 0.1)
    with pytest.raises(StaleWriteError):
        ledger.ask_to_cancel(stale)


def test_the_service_itself_refuses_a_state_that_it_cannot_have_written(
    connection: redis.Redis, jobs: JobStore
) -> None:
    made(jobs)
    document = json.dumps(a_job().to_wire() | {"state": "paused", "done": False})
    connection.hset(keys.record("j1"), "document", document)
    with pytest.raises(BrokenRecordError, match="paused"):
        jobs.read("j1", "default")
