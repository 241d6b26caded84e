"""What is counted of jobs and webhooks: with the writes themselves, once, and anew with each run of Redis."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from given import OUTPUT, START, begun, made

from contract import moves
from contract.delivery import answered
from contract.errors import StaleWriteError
from contract.job import Failure, Priority
from store import census, keys, measures, tally
from store.presence import run_of_server
from store.records import fetch_one, to_ms

if TYPE_CHECKING:
    import redis
    from given import Clock

    from store.jobs import JobStore
    from store.ledger import Ledger
    from store.runs import RunStore
    from store.sweep import Sweep

PASSING = Failure(code="gpu_lost", message="", retryable=True)


def counts(connection: redis.Redis, measure: str) -> dict[str, int]:
    """Return the counts of one measure, by the values of its labels, without its buckets' sums."""
    begin = f"{measure}|"
    return {name.removeprefix(begin): count for name, count in tally.read(connection).items() if name.startswith(begin)}


def test_a_job_is_counted_from_its_submission_to_its_end(
    connection: redis.Redis, jobs: JobStore, runs: RunStore, clock: Clock
) -> None:
    made(jobs, priority=Priority.HIGH)
    clock.pass_s(3)
    run = runs.start("j1")
    assert run
    for stage in ("fetch", "transcribe"):
        run.advance(stage, 0.1)
        clock.pass_s(7)
    run.complete(OUTPUT)
    assert counts(connection, "jobs_submitted") == {"high": 1}
    assert counts(connection, "queue_wait_seconds") == {"high|4": 1, "high|us": 3_000_000}
    assert counts(connection, "stage_seconds") == {
        "fetch|8": 1, "fetch|us": 7_000_000, "transcribe|8": 1, "transcribe|us": 7_000_000,
    }  # fmt: skip
    assert counts(connection, "run_seconds") == {"completed|15": 1, "completed|us": 14_000_000}
    assert counts(connection, "attempts") == counts(connection, "jobs_finished") == {"completed": 1}


def test_attempts_are_counted_by_what_came_of_them(
    connection: redis.Redis, jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock
) -> None:
    begun(jobs, runs).fail(PASSING)
    second = runs.start("j1")
    assert second
    second.hand_back()
    assert runs.start("j1")
    clock.pass_s(9)
    sweep.lost(clock())
    assert counts(connection, "attempts") == {"retry": 2, "handed_back": 1}
    assert counts(connection, "attempt_failures") == {"gpu_lost": 1, "worker_lost": 1}


def test_a_stage_that_was_not_passed_is_not_counted(
    connection: redis.Redis, jobs: JobStore, runs: RunStore, clock: Clock
) -> None:
    run = begun(jobs, runs)
    run.advance("fetch", 0.1)
    clock.pass_s(7)
    run.fail(PASSING)
    assert counts(connection, "stage_seconds") == {}


def test_a_write_that_is_refused_or_sent_again_counts_nothing(
    connection: redis.Redis, jobs: JobStore, runs: RunStore, ledger: Ledger
) -> None:
    run = begun(jobs, runs)
    old = fetch_one(connection, "default", "j1")
    run.complete(OUTPUT)
    before = tally.read(connection)
    ledger.move(old, run.job)  # its answer was lost
    with pytest.raises(StaleWriteError):
        ledger.move(old, moves.cancel(old.job, START))
    assert tally.read(connection) == before


@pytest.mark.parametrize(
    ("code", "simulate", "label"),
    [
        ("gpu_lost", {"error_code": "gpu_lost"}, "gpu_lost"),
        ("mine_4711", {"error_code": "mine_4711"}, "chosen"),
        ("engine_s_own", None, "engine_s_own"),
    ],
)
def test_no_code_that_a_submitter_makes_up_becomes_a_label(
    code: str, simulate: dict[str, object] | None, label: str
) -> None:
    assert measures.failed(code, simulate) == {f"attempt_failures|{label}": 1}


def test_an_unknown_stage_of_an_engine_becomes_no_label(
    jobs: JobStore, runs: RunStore, connection: redis.Redis
) -> None:
    run = begun(jobs, runs)
    run.advance("stage-4711", 0.1)
    run.advance("fetch", 0.2)
    assert set(counts(connection, "stage_seconds")) == {"other|0.1", "other|us"}


@pytest.mark.parametrize(("seconds", "bucket"), [(-1.0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (99.0, "+Inf")])
def test_a_time_falls_into_the_first_bucket_that_holds_it(seconds: float, bucket: str) -> None:
    found = measures.REDIS_ANSWER.of(seconds)
    assert found[f"redis_answer_seconds|{bucket}"] == 1
    assert found["redis_answer_seconds|us"] == max(0, round(seconds * 1e6))


def test_webhooks_are_counted_by_what_came_of_them(
    connection: redis.Redis, jobs: JobStore, runs: RunStore, ledger: Ledger, clock: Clock
) -> None:
    begun(jobs, runs, callback_url="https://example.com/hook").complete(OUTPUT)
    delivery_id = connection.zrange(keys.OUTBOX, 0, 0)[0].decode()
    for status in (500, 204):
        clock.pass_s(10)
        parcel = ledger.outbox.begin(delivery_id, 5)
        assert parcel
        ledger.outbox.settle(parcel, answered(status), chance=0.0)
    assert counts(connection, "webhook_attempts") == {"retry": 1, "delivered": 1}
    assert counts(connection, "webhook_delay_seconds") == {"20": 1, "us": 20_000_000}


def test_what_the_sweep_finds_is_counted(connection: redis.Redis, jobs: JobStore, sweep: Sweep, clock: Clock) -> None:
    jobs.cancel(made(jobs).job_id, "default")
    clock.pass_s(86_400)
    sweep.turn()
    assert counts(connection, "swept") == {"expired": 1}


def test_counts_begin_anew_with_each_run_of_the_server(connection: redis.Redis) -> None:
    connection.hset(keys.TALLY, "jobs_finished|completed", 7)
    server = run_of_server(connection)
    tally.begin(connection, server)
    assert tally.read(connection) == {"jobs_finished|completed": 7}  # nobody had said of which run they are
    connection.hset(keys.TALLY, "server", "an earlier one")
    assert tally.read(connection) == {}
    tally.begin(connection, server)
    connection.hincrby(keys.TALLY, "jobs_finished|completed", 1)
    tally.begin(connection, server)
    assert tally.read(connection) == {"jobs_finished|completed": 1}


def test_a_census_says_what_waits_and_for_how_long(
    connection: redis.Redis, jobs: JobStore, runs: RunStore, clock: Clock
) -> None:
    begun(jobs, runs, "running")
    begun(jobs, runs, "pausing").fail(PASSING, pause_s=30)
    made(jobs, "old", priority=Priority.LOW)
    clock.pass_s(5)
    made(jobs, "young", priority=Priority.LOW)
    now = census.take(connection, to_ms(clock()))
    assert now.queued == {"high": 0, "default": 1, "low": 2}
    assert now.oldest_s == {"high": 0, "default": 0, "low": 5}  # a pause between attempts is no waiting
    assert (now.running, now.retrying, now.workers, now.swept_s) == (1, 1, 0, None)


def test_processes_are_counted_as_long_as_they_speak_up(connection: redis.Redis) -> None:
    now_ms = to_ms(START)
    census.speak_up(connection, "a", now_ms, 3)
    census.speak_up(connection, "b", now_ms, 4)
    both = census.take(connection, now_ms)
    assert (both.processes, both.streams) == (2, 7)
    later_ms = to_ms(START + timedelta(seconds=5))
    census.speak_up(connection, "b", later_ms, 1)
    left = census.take(connection, later_ms)
    assert (left.processes, left.streams) == (1, 1)
    assert connection.hkeys(keys.PROCESSES) == [b"b"]
    census.fall_silent(connection, "b")
    assert census.take(connection, later_ms).processes == 0
