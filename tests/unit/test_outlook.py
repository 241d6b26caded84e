"""The outlook: what ends teach it, and where it tells; on fakeredis and on a real Valkey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

import pytest
from given import OUTPUT, Clock, a_job

from contract.errors import StaleWriteError
from contract.job import Failure, Priority
from store import feed, keys, outlook
from store.durations import Sample
from store.runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from store.jobs import JobStore
    from store.ledger import Ledger
    from store.runs import RunStore
    from store.sweep import Sweep

    Begin: TypeAlias = Callable[..., Run]

PASSING = Failure(code="x", message="", retryable=True)
DURATIONS = keys.durations(simulated=False)


def restarted(runs: RunStore, job_id: str) -> Run:
    run = runs.start(job_id)
    assert run is not None
    return run


@pytest.fixture
def begin(jobs: JobStore, runs: RunStore, connection: redis.Redis) -> Begin:
    def begin(job_id: str, **submitted: object) -> Run:
        jobs.create(a_job(job_id), fingerprint="f", **submitted)
        connection.delete("rq:queue:default")
        return restarted(runs, job_id)

    return begin


@pytest.fixture
def learned(ledger: Ledger) -> None:
    """Note what the ends of thirty jobs teach that have taken 5 to 15 s."""
    pipe = ledger.redis.pipeline()
    for number in range(30):
        ledger.outlook.learn(pipe, Sample(5 + number / 3), None)
    pipe.execute()


def test_nothing_is_told_before_anything_was_learned(begin: Begin, jobs: JobStore) -> None:
    assert begin("j1").job.eta is None
    assert jobs.read("j1", "default").eta is None


@pytest.mark.usefixtures("learned")
def test_every_reader_of_an_unfinished_job_is_told_its_eta(
    begin: Begin, jobs: JobStore, connection: redis.Redis, clock: Clock
) -> None:
    listener = connection.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(keys.channel("default", "j1"))
    listener.get_message(timeout=1)
    run = begin("j1")
    told = [json.loads(listener.get_message(timeout=5)["data"])["eta"] for _ in range(run.job.seq)]
    assert told[-1] == {"p10_s": run.job.eta.p10_s, "p50_s": run.job.eta.p50_s, "p90_s": run.job.eta.p90_s}
    assert run.job.eta.p50_s == pytest.approx(10, abs=0.5)
    clock.pass_s(9)
    reads = [jobs.read("j1", "default"), *jobs.read_many(["j1"], "default"), jobs.list("default").jobs[-1]]
    assert {job.eta.p50_s for job in reads if job.job_id == "j1" and job.eta} == {reads[0].eta.p50_s}
    assert reads[0].eta.p50_s == pytest.approx(3, abs=0.5)
    run.complete(OUTPUT)
    assert jobs.read("j1", "default").eta is None
    assert feed.read(connection, "default")[-1].job.eta is None
    listener.close()


@pytest.mark.usefixtures("learned")
def test_a_job_that_is_queued_is_told_the_eta_of_its_place(jobs: JobStore, connection: redis.Redis) -> None:
    made = [jobs.create(a_job(f"q{number}"), fingerprint="f").job for number in range(12)]
    made.append(jobs.create(a_job("urgent", priority=Priority.HIGH), fingerprint="f").job)
    assert [job.position for job in made] == [*range(12), 0]
    etas = [job.eta for job in made if job.eta]
    assert [eta.p50_s for eta in etas[:12]] == sorted({eta.p50_s for eta in etas})
    assert etas[-1] == etas[0]
    published = [entry.job.eta for entry in feed.read(connection, "default")][-13:]
    for answered, told in zip(etas, published, strict=True):
        assert told is not None
        assert (told.p10_s, told.p50_s, told.p90_s) == pytest.approx(
            (answered.p10_s, answered.p50_s, answered.p90_s), rel=0.02
        )


@pytest.mark.usefixtures("learned")
def test_an_answer_has_the_eta_of_the_place_that_the_job_was_given(jobs: JobStore, connection: redis.Redis) -> None:
    first, _, _ = (jobs.create(a_job(f"q{number}"), fingerprint="f").job for number in range(3))
    connection.delete(keys.QUEUED)  # others have taken them since the queue was counted
    last = jobs.create(a_job("q3"), fingerprint="f").job
    assert (last.position, last.eta) == (0, first.eta)


@pytest.mark.usefixtures("learned")
def test_a_second_of_reads_costs_one_look_at_the_law(jobs: JobStore, begin: Begin, connection: redis.Redis) -> None:
    begin("j1")
    jobs.read("j1", "default")
    connection.delete(DURATIONS)
    assert jobs.read("j1", "default").eta is not None


def test_a_write_that_is_sent_again_teaches_nothing_twice(begin: Begin, connection: redis.Redis, clock: Clock) -> None:
    run = begin("j1")
    before = run.record
    clock.pass_s(4)
    run.complete(OUTPUT)
    run.record = before
    run.complete(OUTPUT)
    assert connection.lrange(DURATIONS, 0, -1) == [b"[4000, null]"]


def test_a_run_that_was_given_up_teaches_nothing(begin: Begin, runs: RunStore, connection: redis.Redis) -> None:
    old = begin("j1")
    Run(old._ledger, old.record).fail(PASSING)
    runs.start("j1")
    with pytest.raises(StaleWriteError):
        old.complete(OUTPUT)
    assert connection.exists(DURATIONS) == 0


def test_retries_and_lost_workers_teach_nothing_and_a_reset_job_is_learned_again(
    begin: Begin, jobs: JobStore, runs: RunStore, sweep: Sweep, connection: redis.Redis, clock: Clock
) -> None:
    run = begin("j1")
    run.fail(PASSING)
    assert connection.llen(DURATIONS) == 0
    run = restarted(runs, "j1")
    clock.pass_s(3)
    run.fail(Failure(code="x", message=""))
    assert connection.lrange(DURATIONS, 0, -1) == [b"[3000, null]"]
    jobs.reset("j1", "default")
    run = restarted(runs, "j1")
    clock.pass_s(2)
    run.complete(OUTPUT)
    assert connection.lrange(DURATIONS, 0, -1) == [b"[2000, null]", b"[3000, null]"]
    jobs.create(a_job("j2", max_attempts=1), fingerprint="f")
    runs.start("j2")
    clock.pass_s(60)
    assert [found.detail for found in sweep.lost(clock())] == ["now error"]
    assert connection.llen(DURATIONS) == 2


def test_progress_is_learned_with_the_end(begin: Begin, connection: redis.Redis, clock: Clock) -> None:
    run = begin("j1")
    clock.pass_s(4)
    run.advance("voice", 0.2)
    clock.pass_s(6)
    run.complete(OUTPUT)
    assert connection.lrange(DURATIONS, 0, -1) == [b"[10000, null, 2000, 4000]"]


def test_jobs_with_a_prescribed_course_are_a_kind_of_their_own(
    begin: Begin, connection: redis.Redis, clock: Clock
) -> None:
    run = begin("j1", simulate={"duration_s": 0.1})
    clock.pass_s(0.1)
    run.complete(OUTPUT)
    assert connection.llen(DURATIONS) == 0
    assert connection.llen(keys.durations(simulated=True)) == 1
    clock.pass_s(1)
    assert begin("j2").job.eta is None
    assert begin("j3", simulate={"duration_s": 5}).job.eta is not None


def test_the_law_is_bounded_and_is_forgotten_when_nobody_ends(
    begin: Begin, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlook, "KEPT", 3)
    for number in range(5):
        begin(f"j{number}").complete(OUTPUT)
    assert connection.llen(DURATIONS) == 3
    assert 0 < connection.ttl(DURATIONS) <= outlook.KEPT_S


def test_samples_that_cannot_be_read_are_passed_over(begin: Begin, connection: redis.Redis) -> None:
    connection.rpush(DURATIONS, "x", "[]", "{}", '["a", null]', "[7000, null]")
    eta = begin("j1").job.eta
    assert eta is not None
    assert eta.p50_s == pytest.approx(7 * 0.693, abs=0.01)
