"""Workers are killed, frozen and wrongly started, and nothing that was accepted is lost."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import psutil
from crew import CONCURRENT
from service import Service, eventually, kill_tree
from stage import SLACK_S
from waiters import VIDEO, Waiters, ends, running

from client import State, TranslationClient
from store import feed


def test_a_killed_worker_loses_none_of_twenty_jobs(service: Service) -> None:
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        jobs = [client.submit(VIDEO, simulate={"duration_s": 0.2}) for _ in range(20)]
        waiters = Waiters(client, jobs)
        eventually(lambda: len(waiters.ends) >= 4 and running(client), 20)
        kill_tree(service.workers[0])
        service.start_worker("-S", "json", "webhooks", "default")  # as the README has it first
        eventually(lambda: len(waiters.ends) == 20, 30)
        assert {job.state for job in waiters.join().values()} == {State.COMPLETED}
        assert ends(service) == {job.job_id: 1 for job in jobs}


def test_a_job_that_kills_its_worker_is_back_within_four_seconds_and_ends_at_the_third_time(service: Service) -> None:
    service.env["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parent}"
    service.env["DUBQ_ENGINE"] = "deadly:Deadly"
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, max_attempts=10)
        done = client.wait(job.job_id, timeout=60, raise_on_failure=False)
    assert done.error is not None
    assert (done.state, done.attempt, done.error.code) == (State.ERROR, 3, "worker_lost")
    told = [entry.job for entry in feed.read(service.connection(), "default")]
    for taken, back in pairwise(told):
        if taken.state is State.RUNNING:
            assert back.updated_at - taken.updated_at < timedelta(seconds=4 + SLACK_S)


def test_a_worker_with_a_janitor_brings_back_what_another_held_though_it_is_idle(service: Service) -> None:
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, simulate={"duration_s": 1})
        eventually(lambda: client.get_status(job.job_id).state is State.RUNNING, 10)
    assert service.api is not None
    kill_tree(service.api)
    kill_tree(service.workers[0])
    service.start_worker("-S", "json", "-c", "worker.rq_config", "-w", "worker.janitor.TidyWorker")
    eventually(lambda: ends(service) == {job.job_id: 1}, 20)


def test_a_job_that_stalls_is_stopped_and_says_so(service: Service) -> None:
    service.env["DUBQ_STALL_LIMIT_S"] = "1"
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, simulate={"outcome": "stall", "duration_s": 1}, max_attempts=1)
        done = client.wait(job.job_id, timeout=30, raise_on_failure=False)
    assert done.error is not None
    assert (done.state, done.error.code) == (State.ERROR, "stalled")


def test_frozen_workers_are_given_up_and_can_write_nothing_when_they_wake(service: Service) -> None:
    """One of RQ's own with a job, and a concurrent one with all others."""
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        client.simulator.freeze()  # so that nothing ends before all are where they should be
        wish = {"video_url": VIDEO, "simulate": {"duration_s": 4}}
        job_ids = [job.job_id for job in client.submit_many([wish])]
        eventually(lambda: running(client) == 1, 10)
        concurrent = service.start_worker(*CONCURRENT)
        eventually(lambda: service.connection().scard("rq:workers") == 2, 30)
        job_ids += [job.job_id for job in client.submit_many([wish] * 9)]
        eventually(lambda: running(client) == 10, 20)
        both = [psutil.Process(each.pid) for each in service.workers]
        family = [*both[0].children(recursive=True), *both]
        for each in family:
            each.suspend()
        service.start_worker(*CONCURRENT)
        eventually(lambda: {job.attempt for job in client.jobs(state="running")} == {2} and running(client) == 10, 40)
        client.simulator.advance(60)
        done = client.wait_all(job_ids, timeout=20)
        assert {(job.state, job.attempt) for job in done.values()} == {(State.COMPLETED, 2)}
        for each in family:
            each.resume()
        for number in (0, 1):
            eventually(lambda: "run_given_up" in service.log(f"worker-{number}"), 15)  # noqa: B023 - at once
        assert client.get_statuses(job_ids) == done
        assert ends(service) == dict.fromkeys(job_ids, 1)
        assert concurrent.poll() is None


def test_a_worker_without_the_json_serializer_loses_nothing_and_the_log_says_what_is_wrong(service: Service) -> None:
    service.start_valkey()
    service.start_api()
    wrong = service.start_worker("default")  # as `rq worker` alone: RQ's default serializer
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, simulate={"duration_s": 0.1})
        eventually(lambda: "DeserializationError" in service.log("worker-0"), 20)
        assert client.get_status(job.job_id).state is State.QUEUED
        eventually(lambda: "rq worker -S json" in service.log("api"), 30)
        os.kill(wrong.pid, signal.SIGTERM)
        wrong.wait(timeout=10)
        service.start_worker()
        done = client.wait(job.job_id, timeout=40)
        assert (done.state, done.attempt) == (State.COMPLETED, 1)


def test_a_restart_of_everything_in_mid_job_completes_it_for_real(service: Service) -> None:
    """An earlier system called a job that was lost in a restart completed."""
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, simulate={"duration_s": 4})
        eventually(lambda: client.get_status(job.job_id).state is State.RUNNING, 10)
    assert service.api is not None
    kill_tree(service.workers[0])
    kill_tree(service.api)
    service.valkey.terminate()
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        assert client.get_status(job.job_id).state is State.RUNNING  # as nobody has told otherwise yet
        done = client.wait(job.job_id, timeout=60)
        assert (done.state, done.attempt) == (State.COMPLETED, 2)
        assert ends(service) == {job.job_id: 1}
