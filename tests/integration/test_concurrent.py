"""Many jobs in one process, by RQ's own command line, on a real Valkey."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import psutil
import pytest
from crew import CONCURRENT, STALLS, Crew
from given import a_job
from rq import Retry
from rq.command import send_stop_job_command
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend
from service import eventually

from contract.states import State
from store.ledger import New
from store.records import now_utc
from store.workers import count_slots

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

GRACE_S = 3.0


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """Run one worker for all tests that leave it as it was, started as anybody would."""
    with Crew({"DUBQ_SLOTS": "300"}) as started:
        started.start_worker(*CONCURRENT)
        eventually(lambda: started.redis.scard("rq:workers") == 1, 30)
        yield started


def ended(process: subprocess.Popen[bytes], within_s: float) -> int:
    return process.wait(timeout=within_s)


def test_one_process_has_two_hundred_jobs_under_way_at_once(crew: Crew) -> None:
    ids = crew.submit(200, {"duration_s": 3})
    began_s = time.monotonic()
    eventually(lambda: crew.states(ids) == {State.COMPLETED: 200}, 40, pause_s=0.2)
    assert time.monotonic() - began_s < 200 * 3 / 10
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in crew.seqs().values())
    eventually(lambda: crew.queue.started_job_registry.count == 0)
    assert not crew.redis.keys("rq:execution*")


def test_jobs_of_one_name_are_each_their_own_client_s(crew: Crew) -> None:
    who, at = ("acme", "other"), now_utc()
    assert None not in crew.ledger.create_many(New(a_job("same", at=at, client_id=each), "f", STALLS) for each in who)

    def states() -> list[State]:
        return [crew.jobs.read("same", each).state for each in who]

    eventually(lambda: states() == [State.RUNNING, State.RUNNING], 10)
    crew.jobs.cancel("same", "acme")
    eventually(lambda: states() == [State.CANCELLED, State.RUNNING], 5)
    crew.jobs.cancel("same", "other")
    eventually(lambda: states() == [State.CANCELLED, State.CANCELLED], 5)


def test_twenty_stop_requests_at_once_stop_their_own_jobs_and_no_other(crew: Crew) -> None:
    ids = crew.submit(40, STALLS)
    eventually(lambda: crew.states(ids) == {State.RUNNING: 40}, 20)
    chosen, others = ids[::2], ids[1::2]
    began_s = time.monotonic()
    for job_id in chosen:
        send_stop_job_command(crew.redis, job_id, serializer=JSONSerializer)
    eventually(lambda: crew.states(chosen) == {State.ERROR: 20}, 5)
    assert time.monotonic() - began_s < 2.0  # half a second, on a machine that does nothing else
    assert {job.error.code for job in crew.read(chosen) if job.error} == {"stopped"}
    assert crew.states(others) == {State.RUNNING: 20}
    eventually(lambda: {crew.queue.fetch_job(job_id).get_status() for job_id in chosen} == {JobStatus.STOPPED}, 5)
    for job_id in others:
        crew.jobs.cancel(job_id, "default")
    eventually(lambda: crew.states(others) == {State.CANCELLED: 20}, 10)


def test_rq_shows_the_worker_as_one_of_its_own(crew: Crew) -> None:
    ids = crew.submit(3, STALLS)
    eventually(lambda: crew.running() == 3)
    eventually(lambda: "busy" in crew.rq("info", "--raw"), 20)
    assert count_slots(crew.redis) == 300
    assert crew.queue.started_job_registry.count == 3
    for job_id in ids:
        crew.jobs.cancel(job_id, "default")
    eventually(lambda: crew.running() == 0)


def test_no_job_is_taken_while_workers_are_suspended(crew: Crew) -> None:
    suspend(crew.redis)
    try:
        (job_id,) = crew.submit(1, {"duration_s": 0})
        eventually(lambda: "suspended" in crew.rq("info", "--raw"), 20)
        assert crew.states([job_id]) == {State.QUEUED: 1}
    finally:
        resume(crew.redis)
    eventually(lambda: crew.states([job_id]) == {State.COMPLETED: 1})


def test_jobs_of_others_return_break_and_are_tried_again_as_rq_has_it(crew: Crew) -> None:
    quiet, says = crew.queue.enqueue("deeds.nothing"), crew.queue.enqueue("deeds.answer")
    breaks = crew.queue.enqueue("deeds.breaks", retry=Retry(max=1))
    after = crew.queue.enqueue("deeds.answer", depends_on=quiet)
    eventually(lambda: breaks.get_status() is JobStatus.FAILED, 20)
    eventually(lambda: (says.return_value(refresh=True), after.return_value(refresh=True)) == (42, 42))
    assert quiet.get_status() is JobStatus.FINISHED
    assert "the details" in breaks.latest_result().exc_string
    assert breaks.refresh() or breaks.retries_left == 0


def test_a_time_limit_ends_one_job_and_no_other(crew: Crew) -> None:
    short = crew.queue.enqueue("deeds.sleep", 60, job_timeout=1)
    longer = crew.queue.enqueue("deeds.sleep", 2, job_timeout=60)
    eventually(lambda: short.get_status() is JobStatus.FAILED, 20)
    assert "JobTimeoutException" in short.latest_result().exc_string
    eventually(lambda: longer.get_status() is JobStatus.FINISHED, 20)


def test_a_stock_worker_works_on_the_same_queue_meanwhile(crew: Crew) -> None:
    stock = crew.start_worker("-S", "json", "--burst")
    ids = crew.submit(30, {"duration_s": 0.1})
    eventually(lambda: crew.states(ids) == {State.COMPLETED: 30}, 40)
    assert ended(stock, 40) == 0


@pytest.mark.parametrize("signals", [1, 2])
def test_who_has_to_go_hands_back_what_does_not_end_in_time_and_no_attempt_is_used_up(signals: int) -> None:
    drain_s = 1.5 if signals == 1 else 600
    with Crew({"DUBQ_DRAIN_S": str(drain_s)}) as crew:
        worker = crew.take_on()
        long, short = crew.submit(100, STALLS), crew.submit(20, {"duration_s": 1})
        eventually(lambda: crew.running() == 120, 20)
        waiting = [job.seq for job in crew.read(long)]
        began_s = time.monotonic()
        for number in range(1, signals + 1):
            worker.send_signal(signal.SIGTERM)
            eventually(lambda: crew.log("worker-0").count("asked to stop") == number)  # noqa: B023 - at once
        assert ended(worker, 20) == 0
        assert time.monotonic() - began_s < (drain_s if signals == 1 else 0) + GRACE_S + 3
        assert crew.states(long) == {State.QUEUED: 100}
        assert {job.attempt for job in crew.read(long + short)} == {1}
        if signals == 1:
            assert crew.states(short) == {State.COMPLETED: 20}
        assert min(waiting) > 1
        assert sorted(crew.queue.job_ids) == sorted(crew.ids_in(State.QUEUED, long + short))
        assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in crew.seqs().values())
        assert crew.redis.scard("rq:workers") == 0


def test_a_job_of_others_is_handed_back_too() -> None:
    with Crew({"DUBQ_DRAIN_S": "0"}) as crew:
        worker = crew.take_on()
        job = crew.queue.enqueue("deeds.sleep", 60)
        eventually(lambda: job.get_status() is JobStatus.STARTED)
        worker.send_signal(signal.SIGTERM)
        assert ended(worker, 10) == 0
        assert (job.get_status(), crew.queue.job_ids) == (JobStatus.QUEUED, [job.id])
        assert crew.queue.started_job_registry.count == 0


def test_valkey_may_go_and_come_back_under_a_worker() -> None:
    with Crew() as crew:
        worker = crew.take_on()
        ids = crew.submit(50, {"duration_s": 3})
        eventually(lambda: crew.running() == 50, 20)
        for _ in range(2):
            crew.valkey.terminate()
            crew.start_valkey()
            eventually(crew.redis.ping, 10)
        eventually(lambda: crew.states(ids) == {State.COMPLETED: 50}, 40, pause_s=0.2)
        assert {job.attempt for job in crew.read(ids)} == {1}
        assert worker.poll() is None
        more = crew.submit(5, {"duration_s": 0})
        eventually(lambda: crew.states(more) == {State.COMPLETED: 5}, 20)


def test_what_was_put_off_is_queued_when_it_is_due_by_a_worker_with_a_scheduler() -> None:
    with Crew({"DUBQ_DRAIN_S": "0"}) as crew:
        worker = crew.take_on("--with-scheduler")
        later = crew.queue.enqueue_in(timedelta(seconds=1), "deeds.answer")
        again = crew.queue.enqueue("deeds.breaks", retry=Retry(max=1, interval=1))
        (ours,) = crew.submit(1, {"duration_s": 0})
        eventually(lambda: (later.get_status(), again.get_status()) == (JobStatus.FINISHED, JobStatus.FAILED), 20)
        assert later.return_value(refresh=True) == 42
        assert crew.states([ours]) == {State.COMPLETED: 1}
        assert psutil.Process(worker.pid).children() == []
        worker.send_signal(signal.SIGTERM)
        assert ended(worker, 10) == 0
        assert not crew.redis.keys("rq:scheduler*")


def test_settings_that_are_wrong_end_the_worker_before_its_first_job() -> None:
    with Crew({"DUBQ_SLOTS": "many", "DUBQ_DRAIN_S": "-1"}) as crew:
        worker = crew.take_on()
        assert ended(worker, 20) == 2
        assert {line.split("=")[0] for line in crew.log("worker-0").splitlines() if line.startswith("DUBQ_")} == {
            "DUBQ_SLOTS",
            "DUBQ_DRAIN_S",
        }
