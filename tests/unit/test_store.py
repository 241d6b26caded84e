"""The store's sentences; each is tried on fakeredis and on a real Valkey."""

import json
import zlib

import pytest
import redis
from given import Clock, a_job

from contract.errors import (
    BrokenRecordError,
    IllegalTransitionError,
    InvalidFieldsError,
    JobExistsError,
    JobNotFoundError,
    StaleWriteError,
)
from contract.job import Failure, Job, Output
from contract.states import State
from store import feed, keys, listing
from store.jobs import JobStore
from store.ledger import Ledger
from store.runs import Beat, Run, RunStore

OUTPUT = Output(video_url="v", captions_url="c")
PASSING = Failure(code="x", message="", retryable=True)


def made(jobs: JobStore, job_id: str = "j1", **fields: object) -> Job:
    return jobs.create(a_job(job_id, **fields), fingerprint="f").job


def begun(jobs: JobStore, runs: RunStore, job_id: str = "j1", **fields: object) -> Run:
    made(jobs, job_id, **fields)
    run = runs.start(job_id)
    assert run is not None
    return run


def seqs(connection: redis.Redis) -> list[tuple[str, int, State]]:
    return [(each.job.job_id, each.job.seq, each.job.state) for each in feed.read(connection, "default")]


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
    assert seqs(connection) == [("j1", 1, State.QUEUED)]


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


def test_positions_count_the_jobs_ahead(jobs: JobStore, runs: RunStore, clock: Clock) -> None:
    for job_id in ("a", "b", "c"):
        jobs.create(a_job(job_id, at=clock()), fingerprint="f")
        clock.pass_s(1)
    assert [job.position for job in jobs.read_many(["a", "b", "c"], "default")] == [0, 1, 2]
    runs.start("a")
    assert [job.position for job in jobs.read_many(["a", "b", "c"], "default")] == [None, 0, 1]


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
    assert seqs(connection) == [("j1", seq, state) for seq, state in enumerate(states, 1)]
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
    before = seqs(connection)
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
    assert seqs(connection) == before


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
    assert [seq for _, seq, _ in seqs(connection)] == [1, 2, 3, 4]


def test_a_queued_job_is_cancelled_at_once_and_stays_so(jobs: JobStore, runs: RunStore) -> None:
    made(jobs)
    job = jobs.cancel("j1", "default")
    assert job.state is State.CANCELLED
    assert jobs.cancel("j1", "default") == job
    assert runs.start("j1") is None


def test_a_running_job_hears_of_its_cancelling(jobs: JobStore, runs: RunStore, connection: redis.Redis) -> None:
    run = begun(jobs, runs)
    assert jobs.cancel("j1", "default").state is State.RUNNING
    assert jobs.cancel("j1", "default").state is State.RUNNING
    assert run.beat() is Beat.CANCEL
    assert run.cancel().state is State.CANCELLED
    assert [seq for _, seq, _ in seqs(connection)] == [1, 2, 3]


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


def test_jobs_are_numbered_as_they_come(jobs: JobStore, runs: RunStore) -> None:
    assert [begun(jobs, runs, job_id).record.number for job_id in ("a", "b")] == [1, 2]


def test_what_a_job_was_asked_to_simulate_reaches_its_run(jobs: JobStore, runs: RunStore) -> None:
    jobs.create(a_job(), fingerprint="f", simulate={"duration_s": 1})
    run = runs.start("j1")
    assert run is not None
    assert run.record.simulate == {"duration_s": 1}


def test_a_list_is_walked_page_by_page_newest_first(
    jobs: JobStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "CHUNK", 3)
    for number in range(25):
        jobs.create(a_job(f"j{number:02}", at=clock()), fingerprint="f")
        clock.pass_s(number % 9 == 0)  # many are made in the same millisecond
    seen: list[str] = []
    cursor = None
    while True:
        page = jobs.list("default", limit=4, cursor=cursor)
        seen += [job.job_id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"j{number:02}" for number in reversed(range(25))]


def test_a_list_can_be_narrowed_by_state_and_language(jobs: JobStore, runs: RunStore) -> None:
    for job_id, language in (("a", "es"), ("b", "fr"), ("c", "es")):
        made(jobs, job_id, target_language=language)
    runs.start("a")
    assert [job.job_id for job in jobs.list("default", state=State.QUEUED).jobs] == ["c", "b"]
    assert [job.job_id for job in jobs.list("default", target_language="es").jobs] == ["c", "a"]
    assert [job.job_id for job in jobs.list("default", state=State.RUNNING, target_language="fr").jobs] == []


def test_a_list_goes_on_after_jobs_that_are_gone(jobs: JobStore, clock: Clock, connection: redis.Redis) -> None:
    for job_id in ("a", "b", "c"):
        jobs.create(a_job(job_id, at=clock()), fingerprint="f")
        clock.pass_s(1)
    cursor = jobs.list("default", limit=1).next_cursor
    connection.zrem(keys.listing("default"), "c")
    assert [job.job_id for job in jobs.list("default", cursor=cursor).jobs] == ["b", "a"]


@pytest.mark.parametrize("cursor", ["x", "1", "1.", ".a", "1.a:b", "-1.a", "9" * 14 + ".a", "²3.a"])
def test_a_made_up_cursor_is_refused(jobs: JobStore, cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        jobs.list("default", cursor=cursor)


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
