"""The API and Valkey are killed in the middle, and nothing that was accepted is lost."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import requests
from service import Service, eventually, kill_tree
from waiters import VIDEO, Waiters, ends, running

from client import Job, State, TranslationClient
from store import feed


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
    with TranslationClient(service.url) as client:
        jobs = [client.submit(VIDEO, simulate={"duration_s": 1}) for _ in range(10)]
        waiters = Waiters(client, jobs)
        eventually(lambda: running(client) == 2, 20)
        accepted = [client.submit(VIDEO, simulate={"duration_s": 0.1}).job_id for _ in range(50)]
        service.valkey.terminate()
        refused = requests.post(f"{service.url}/jobs", json={"video_url": VIDEO}, timeout=10)
        assert refused.status_code == 503
        assert "Retry-After" in refused.headers
        service.start_valkey()
        assert set(client.get_statuses(accepted)) == set(accepted)

        def all_have_ended() -> bool:
            service.supervise()
            return len(waiters.ends) == 10 and all(job.done for job in client.get_statuses(accepted).values())

        eventually(all_have_ended, 60, pause_s=0.2)
        assert {job.state for job in waiters.join().values()} == {State.COMPLETED}
        assert {job.state for job in client.get_statuses(accepted).values()} == {State.COMPLETED}
        assert ends(service) == dict.fromkeys([*accepted, *waiters.ends], 1)


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
