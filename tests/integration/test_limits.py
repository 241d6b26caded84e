"""Limits are common to all API processes, and the client library waits through them; on gunicorn and Valkey."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
import requests
from service import Service, eventually

from client import TranslationClient

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.sockets

ADMIN = "the-admin-s-own-token"
VIDEO = "https://example.com/v.mp4"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    env = {"DUBQ_AUTH": "on", "DUBQ_ADMIN_TOKEN": ADMIN, "DUBQ_SIM_SPEED": "100", "DUBQ_SIM_DURATION": "fixed:1"}
    with Service(env) as service:
        service.start_valkey()
        yield service


@pytest.fixture(scope="module")
def urls(service: Service) -> list[str]:
    """Return where two API processes listen, which have nothing but the Redis in common."""
    return [f"http://127.0.0.1:{port}" for port in service.start_more_apis(2)]


def made(url: str, client_id: str, **limits: str | int) -> dict[str, str]:
    """Make a client, and return the headers of its requests."""
    body = {"client_id": client_id, "limits": limits}
    answer = requests.post(f"{url}/clients", json=body, headers={"X-Api-Key": ADMIN}, timeout=10)
    assert answer.status_code == 201, answer.text
    return {"X-Api-Key": answer.json()["token"]}


def statuses(urls: list[str], count: int, ask: Any) -> list[int]:
    """Ask the processes in turn, sixteen at once; return what they answered."""
    with ThreadPoolExecutor(16) as pool:
        targets = [(number, url) for number, url in zip(range(count), cycle(urls), strict=False)]
        return list(pool.map(lambda target: ask(*target).status_code, targets))


def test_two_processes_let_through_together_what_one_client_may_ask(urls: list[str]) -> None:
    headers = made(urls[0], "asks", requests="40/h")
    found = statuses(urls, 90, lambda _, url: requests.get(f"{url}/jobs", headers=headers, timeout=10))
    assert (found.count(200), found.count(429)) == (40, 50)
    assert requests.get(f"{urls[1]}/jobs", headers={"X-Api-Key": ADMIN}, timeout=10).ok


def test_two_processes_take_together_as_many_jobs_as_may_be_in_the_queue(urls: list[str]) -> None:
    headers = made(urls[0], "submits", queued=25)

    def submit(number: int, url: str) -> requests.Response:
        body = {"video_url": VIDEO, "job_id": f"j{number}"}
        return requests.post(f"{url}/jobs", json=body, headers=headers, timeout=10)

    found = statuses(urls, 60, submit)
    assert (found.count(202), found.count(429)) == (25, 35)
    taken = requests.get(f"{urls[0]}/jobs?limit=100", headers=headers, timeout=10).json()["jobs"]
    assert {job["job_id"] for job in taken} == {f"j{number}" for number, each in enumerate(found) if each == 202}


def test_streams_are_counted_in_all_processes(urls: list[str]) -> None:
    headers = made(urls[0], "listens", streams=4)

    def opened(url: str) -> requests.Response:
        answer = requests.get(f"{url}/events", headers=headers, stream=True, timeout=10)
        stack.callback(answer.close)
        return answer

    with ExitStack() as stack:
        first = [opened(url) for url in (*urls, *urls)]
        assert [each.status_code for each in first] == [200] * 4
        assert [opened(url).status_code for url in urls] == [429, 429]
        first[0].close()
        eventually(lambda: opened(urls[1]).status_code == 200)
        assert opened(urls[0]).status_code == 429


def test_submit_and_wait_go_through_a_limit(urls: list[str]) -> None:
    headers = made(urls[0], "waits", requests="2/2s")

    def use_up() -> None:
        while requests.get(f"{urls[0]}/limits", headers=headers, timeout=10).ok:
            pass

    with TranslationClient(urls[1], token=headers["X-Api-Key"], roads=[]) as client:
        use_up()
        job = client.submit(VIDEO, target_language="es")
        acting = {"X-Api-Key": ADMIN, "X-Client-Id": "waits"}
        assert requests.post(f"{urls[0]}/jobs/{job.job_id}/cancel", headers=acting, timeout=10).ok
        use_up()
        assert client.wait(job.job_id, timeout=30, raise_on_failure=False).done
        assert client.metrics.retries > 0
    (made_once,) = requests.get(f"{urls[0]}/jobs", headers=acting, timeout=10).json()["jobs"]
    assert made_once["job_id"] == job.job_id


def test_who_may_have_no_answer_held_and_no_stream_polls(urls: list[str]) -> None:
    headers = made(urls[0], "polls", streams=0)
    with TranslationClient(urls[0], token=headers["X-Api-Key"], roads=["sse", "long_poll"]) as client:
        job = client.submit(VIDEO, target_language="es")
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(client.wait, job.job_id, timeout=30, raise_on_failure=False)
            eventually(lambda: client.metrics.requests > 4, 20)
            client.cancel(job.job_id)
            assert ended.result(30).done
