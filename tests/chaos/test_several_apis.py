"""Several API processes that know nothing of one another, behind a balancer without sticky sessions."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from service import Service, eventually, kill_tree
from waiters import VIDEO, ends

from client import Road, State, TranslationClient
from contract.errors import IllegalTransitionError
from store import feed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lines import Balancer, Lines

ADMIN = {"X-Api-Key": "the-admin-s-own-token"}
CONCURRENT = ("-S", "json", "-c", "worker.rq_config", "-w", "worker.concurrent.ConcurrentWorker")
REVOKED_WITHIN_S = 1.0
"""What a process may rely on of what it has read of a token, should it have missed the word."""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service({"DUBQ_AUTH": "on", "DUBQ_ADMIN_TOKEN": ADMIN["X-Api-Key"], "DUBQ_CLIENT_RUNNING": "100"}) as running:
        running.start_valkey()
        running.start_worker(*CONCURRENT)
        yield running


@pytest.fixture(scope="module")
def ports(service: Service) -> list[int]:
    return service.start_more_apis(3)


@pytest.fixture
def balancer(lines: Lines, ports: list[int]) -> Balancer:
    return lines.among(ports)


def a_token(port: int, client_id: str) -> str:
    made = requests.post(f"http://127.0.0.1:{port}/clients", json={"client_id": client_id}, headers=ADMIN, timeout=10)
    return str(made.json()["token"])


def at_each(ports: list[int], path: str, **more: Any) -> list[requests.Response]:
    """Ask all processes the same, all at the same moment."""
    together = threading.Barrier(len(ports))

    def ask(port: int) -> requests.Response:
        together.wait()
        method = "POST" if "json" in more else "GET"
        return requests.request(method, f"http://127.0.0.1:{port}{path}", timeout=30, **more)

    with ThreadPoolExecutor(len(ports)) as pool:
        return list(pool.map(ask, ports))


@pytest.mark.parametrize("safe", ["job_id", "Idempotency-Key"])
def test_one_submission_sent_to_all_processes_at_once_makes_one_job(
    service: Service, ports: list[int], safe: str
) -> None:
    headers = {"X-Api-Key": a_token(ports[0], client := f"once-{safe.lower().replace('_', '-')}")}
    body = {"video_url": VIDEO, "simulate": {"outcome": "stall"}}
    more = {"json": body | {"job_id": "j1"}} if safe == "job_id" else {"json": body}
    answers = at_each(ports, "/jobs", headers=headers | ({} if safe == "job_id" else {safe: "k1"}), **more)
    assert sorted(each.status_code for each in answers) == [200, 200, 202]
    assert len({each.json()["job_id"] for each in answers}) == 1
    assert service.connection().zcard(f"dubq:jobs:{client}") == 1


class Load:
    """Submits and cancels through the balancer, and waits by every road, until it is told to be done."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._is_over = threading.Event()
        self.ends: dict[str, State] = {}
        self.cancelled: set[str] = set()

    def run(self, road: Road) -> None:
        """Go on submitting and waiting; raise what a wait raises."""
        count = 0
        with TranslationClient(self._url, token=self._token, roads=[road]) as client, ThreadPoolExecutor(16) as pool:
            waits = []
            while not self._is_over.is_set():
                job = client.submit(VIDEO, simulate={"duration_s": 1.0})
                waits.append(pool.submit(client.wait, job.job_id, timeout=60, raise_on_failure=False))
                if count % 4 == 0:
                    with suppress(IllegalTransitionError):  # it took so long to be heard that the job was over
                        client.cancel(job.job_id)
                        self.cancelled.add(job.job_id)
                count += 1
                self._is_over.wait(0.4)
            for each in waits:
                job = each.result()
                self.ends[job.job_id] = State(job.state)

    def stop(self) -> None:
        self._is_over.set()


def test_a_killed_process_and_one_that_joins_cost_no_job_and_no_wait(
    service: Service, ports: list[int], balancer: Balancer
) -> None:
    load = Load(f"http://127.0.0.1:{balancer.port}", a_token(ports[0], "acme"))
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(load.run, road) for road in Road]
        try:
            eventually(lambda: service.connection().zcard("dubq:jobs:acme") >= 8, 20)
            kill_tree(service.more[ports[0]])
            balancer.ports.extend(joined := service.start_more_apis(1))
            before = service.log(f"api-{joined[0]}").count('"path": "/jobs')
            eventually(lambda: service.log(f"api-{joined[0]}").count('"path": "/jobs') > before + 5, 20)
        finally:
            load.stop()
            ports[:] = [*ports[1:], *balancer.ports[3:]]
        for each in running:
            each.result()
    assert ends(service, "acme") == dict.fromkeys(load.ends, 1)
    assert service.connection().zcard("dubq:jobs:acme") == len(load.ends) > 12
    finals = {
        job.job_id: job.state
        for job in (each.job for each in feed.read(service.connection(), "acme", count=9999))
        if job.done
    }
    assert load.ends == finals
    assert {job_id for job_id, state in finals.items() if state is State.CANCELLED} == load.cancelled


def test_a_token_that_has_ended_is_refused_by_every_process(service: Service, ports: list[int]) -> None:
    del service
    headers = {"X-Api-Key": a_token(ports[0], "shortlived")}
    for _ in range(2):  # the second time each of them knows the token without asking
        assert [each.status_code for each in at_each(ports, "/jobs", headers=headers)] == [200] * len(ports)
    with ExitStack() as stack:
        streams = [
            stack.enter_context(
                requests.get(f"http://127.0.0.1:{port}/events", headers=headers, stream=True, timeout=30)
            )
            for port in ports
        ]
        ended = requests.delete(f"http://127.0.0.1:{ports[0]}/clients/shortlived", headers=ADMIN, timeout=10)
        began_s = time.monotonic()
        assert ended.status_code == 204
        eventually(
            lambda: [each.status_code for each in at_each(ports, "/jobs", headers=headers)] == [401] * len(ports)
        )
        assert time.monotonic() - began_s < REVOKED_WITHIN_S + 1
        for each in streams:
            assert b"".join(each.iter_content(None)).endswith(b"retry: 1000\n\n")
