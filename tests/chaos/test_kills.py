"""Real processes are killed in the middle, and nothing that was accepted is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import requests
from service import Service, eventually, kill_tree

from client import Job, State, TranslationClient
from store import feed

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO = "https://example.com/talk.mp4"


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def ends(service: Service) -> Counter[str]:
    """Count the final states that the feed has for each job."""
    changes = [each.job for each in feed.read(service.connection(), "default", count=100_000)]
    for job_id in {job.job_id for job in changes}:
        seqs = [job.seq for job in changes if job.job_id == job_id]
        assert seqs == list(range(1, len(seqs) + 1))
    return Counter(job.job_id for job in changes if job.done)


def running(client: TranslationClient) -> int:
    return sum(job.state is State.RUNNING for job in client.jobs())


class Waiters:
    """One thread per job, each waiting by the best road; `ends` has what they were told."""

    def __init__(self, client: TranslationClient, jobs: list[Job]) -> None:
        self.ends: dict[str, Job] = {}
        self._threads = [threading.Thread(target=self._wait, args=(client, job.job_id)) for job in jobs]
        for thread in self._threads:
            thread.start()

    def _wait(self, client: TranslationClient, job_id: str) -> None:
        self.ends[job_id] = client.wait(job_id, timeout=100, raise_on_failure=False)

    def join(self) -> dict[str, Job]:
        for thread in self._threads:
            thread.join()
        return self.ends


@pytest.mark.parametrize("survivors", [0, 2])
def test_a_killed_worker_loses_none_of_twenty_jobs(service: Service, survivors: int) -> None:
    service.start(workers=survivors + 1)
    with TranslationClient(service.url) as client:
        length_s = 0.2 + 0.4 * survivors
        jobs = [client.submit(VIDEO, simulate={"duration_s": length_s}) for _ in range(20)]
        waiters = Waiters(client, jobs)
        eventually(lambda: len(waiters.ends) >= 4 and running(client), 20)
        kill_tree(service.workers[0])
        if not survivors:
            service.start_worker()
        eventually(lambda: len(waiters.ends) == 20, 30)
        assert {job.state for job in waiters.join().values()} == {State.COMPLETED}
        assert ends(service) == {job.job_id: 1 for job in jobs}


def test_a_frozen_worker_is_given_up_and_can_write_nothing_when_it_wakes(service: Service) -> None:
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, simulate={"duration_s": 2})
        eventually(lambda: client.get_status(job.job_id).state is State.RUNNING, 10)
        frozen = psutil.Process(service.workers[0].pid)
        family = [*frozen.children(recursive=True), frozen]
        for each in family:
            each.suspend()
        service.start_worker()
        done = client.wait(job.job_id, timeout=40)
        assert (done.state, done.attempt) == (State.COMPLETED, 2)
        for each in family:
            each.resume()
        eventually(lambda: "run_given_up" in service.log("worker-0"), 15)
        assert client.get_status(job.job_id) == done
        assert ends(service) == {job.job_id: 1}


def test_an_api_killed_between_accepting_and_answering_makes_no_second_job(service: Service) -> None:
    service.env["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parent}"
    service.start_valkey()
    service.start_api("dying_app:from_env()")
    for number in range(3):
        (service.folder / f"die-{number}").touch()
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, title="once")
        assert not list(service.folder.glob("die-*"))
        assert client.metrics.retries >= 3
        assert [each.job_id for each in client.jobs()] == [job.job_id]
        assert [each.job.seq for each in feed.read(service.connection(), "default")] == [1]
        assert service.connection().llen("rq:queue:default") == 1


def test_a_killed_valkey_comes_back_with_all_that_was_accepted(service: Service) -> None:
    service.start(workers=2)
    accepted: list[str] = []
    with TranslationClient(service.url) as client:
        jobs = [client.submit(VIDEO, simulate={"duration_s": 1}) for _ in range(10)]
        waiters = Waiters(client, jobs)
        eventually(lambda: running(client) == 2, 20)
        for _ in range(50):
            answer = requests.post(f"{service.url}/jobs", json={"video_url": VIDEO}, timeout=10)
            accepted.append(answer.json()["job_id"])
        service.valkey.terminate()
        refused = requests.post(f"{service.url}/jobs", json={"video_url": VIDEO}, timeout=10)
        assert refused.status_code == 503
        assert "Retry-After" in refused.headers
        service.start_valkey()
        # RQ's own worker may quit when Redis goes away: whoever started it starts it again
        for process in list(service.workers):
            if process.poll() is not None:
                service.start_worker()
        assert set(client.get_statuses(accepted)) == set(accepted)
        eventually(lambda: len(waiters.ends) == 10, 60)
        assert {job.state for job in waiters.join().values()} == {State.COMPLETED}
        assert {count for job_id, count in ends(service).items() if job_id in waiters.ends} == {1}


def test_waits_outlive_a_killed_api(service: Service) -> None:
    service.start(workers=2)
    with TranslationClient(service.url) as client:
        jobs = [client.submit(VIDEO, simulate={"duration_s": 3}) for _ in range(2)]
        polled: list[Job] = []
        thread = threading.Thread(target=lambda: polled.append(client.poll_status(jobs[0].job_id, timeout=60)))
        waiters = Waiters(client, jobs)
        thread.start()
        eventually(lambda: running(client) == 2, 10)
        assert service.api is not None
        kill_tree(service.api)
        service.start_api()
        assert {job.state for job in waiters.join().values()} == {State.COMPLETED}
        thread.join()
        assert polled[0].state is State.COMPLETED


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


def test_a_three_second_outage_ends_no_wait_and_starts_no_storm(service: Service) -> None:
    """Earlier clients told a false error, crashed, or made thousands of connection attempts."""
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, simulate={"duration_s": 4})
        polled: list[Job] = []
        thread = threading.Thread(target=lambda: polled.append(client.poll_status(job.job_id, timeout=60)))
        waiters = Waiters(client, [job])
        thread.start()
        eventually(lambda: running(client) == 1, 10)
        before = client.metrics.requests
        assert service.api is not None
        kill_tree(service.api)
        pause = threading.Event()
        pause.wait(3)  # the outage itself
        attempts = client.metrics.requests - before
        service.start_api()
        assert waiters.join()[job.job_id].state is State.COMPLETED
        thread.join()
        assert polled[0].state is State.COMPLETED
        assert attempts <= 2 * 4  # two waiters, about one a second each


def test_a_restart_of_everything_in_mid_job_completes_it_for_real(service: Service) -> None:
    """An earlier system called a job that was lost in a restart completed."""
    service.start(workers=1)
    with TranslationClient(service.url) as client:
        job = client.submit(VIDEO, simulate={"duration_s": 2})
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
