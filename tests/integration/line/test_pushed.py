"""What a pushed wait costs, and whom a line serves: a real Valkey, and a small HTTP server that plays the service."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from service import eventually

from client import NoPushError, subscribe, switchboard
from contract.states import State

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from faces import Face
    from played import PlayedService

    from contract.job import Job


@pytest.mark.parametrize("named", ["j1", "dubq1.j1"])
def test_a_pushed_wait_costs_one_look_and_knows_at_once(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor, named: str
) -> None:
    service.add()
    with face.connect(service.url) as client:
        done = pool.submit(client.subscribe, named)
        eventually(lambda: service.listeners() == 1 and service.asked("/jobs/j1") == 1)
        service.end()
        assert done.result(5).state is State.COMPLETED
        share = client.metrics.jobs["j1"]
        assert (share.requests, client.metrics.messages) == (1, 1)
        assert share.knowing_delay_s is not None
        assert -0.001 <= share.knowing_delay_s < 0.5
    assert face.at_work() == []


def test_a_job_that_is_over_already_is_known_by_the_look(service: PlayedService) -> None:
    service.add()
    service.end()
    assert subscribe("j1", url=service.url, redis_url=service.redis_url).done
    assert [thread for thread in threading.enumerate() if thread.name.startswith("dubq")] == []


def test_twenty_waiting_threads_share_one_connection_and_hear_of_their_own_job_only(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor
) -> None:
    ids = [f"j{number}" for number in range(20)]
    for job_id in ids:
        service.add(job_id)
    with face.connect(service.url) as client:
        seen: list[Job] = []
        waits = {job_id: pool.submit(client.subscribe, job_id, seen.append) for job_id in ids}
        eventually(lambda: {job.job_id for job in seen} == set(ids))
        assert service.subscribers() == 1
        assert face.at_work().count("dubq-listener") == 1
        for job_id in ids:
            service.end(job_id)
        assert {job_id: wait.result(5).job_id for job_id, wait in waits.items()} == dict(zip(ids, ids, strict=True))
        assert client.metrics.messages == 20
        assert service.asked("/connect") == 1
        eventually(lambda: sum(service.listeners(job_id) for job_id in ids) == 0)
    assert face.at_work() == []
    eventually(lambda: service.subscribers() == 0)


def test_many_threads_may_wait_for_the_same_job(face: Face, service: PlayedService, pool: ThreadPoolExecutor) -> None:
    service.add()
    with face.connect(service.url) as client:
        seen: list[Job] = []
        waits = [pool.submit(client.wait, "j1", on_update=seen.append) for _ in range(10)]
        eventually(lambda: len(seen) == 10)
        assert service.listeners() == 1
        service.end()
        assert all(wait.result(5).done for wait in waits)


def test_a_channel_may_be_left_and_joined_again(face: Face, service: PlayedService) -> None:
    with face.connect(service.url) as client:
        for _ in range(50):
            service.add()
            told = client.events("j1")
            assert next(told).state is State.RUNNING
            told.close()
        told = client.events("j1")
        next(told)
        service.end()
        assert [job.state for job in told] == [State.COMPLETED]
        assert service.subscribers() <= 1


def test_a_wait_that_the_garbage_collector_ends_leaves_its_channel(face: Face, service: PlayedService) -> None:
    service.add()
    with face.connect(service.url) as client:
        told = client.events("j1")
        next(told)
        eventually(lambda: service.listeners() == 1)
        del told
        eventually(lambda: service.listeners() == 0)


def test_a_healthy_line_survives_its_pings(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "PING_S", 0.2)
    service.add()
    with face.connect(service.url) as client:
        done = pool.submit(client.subscribe, "j1")
        eventually(lambda: service.listeners() == 1)
        line = service.lines()
        eventually(lambda: int(service.redis.info("commandstats").get("cmdstat_ping", {}).get("calls", 0)) >= 3)
        assert service.lines() == line
        service.end()
        assert done.result(5).done
        assert client.metrics.messages == 1


def test_a_line_that_nobody_wants_any_more_hangs_up_and_comes_back_when_wanted(
    face: Face, service: PlayedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "PING_S", 0.05)
    monkeypatch.setattr(switchboard, "IDLE_S", 0.3)
    monkeypatch.setattr(switchboard, "PACE_S", 0.0)
    service.add()
    client = face.connect(service.url)  # which nobody closes
    for _ in range(2):
        told = client.events("j1")
        next(told)
        time.sleep(0.6)  # a line with a subscription stays, however silent it is
        assert service.listeners() == 1
        told.close()
        eventually(lambda: face.at_work() == [])
        eventually(lambda: service.subscribers() == 0)
    client.close()


def test_an_update_s_listener_that_raises_ends_the_wait_and_its_subscription(
    face: Face, service: PlayedService
) -> None:
    service.add()

    def stumble(_: Job) -> None:
        raise LookupError

    with face.connect(service.url) as client:
        with pytest.raises(LookupError):
            client.subscribe("j1", on_update=stumble)
        eventually(lambda: service.listeners() == 0)


def test_an_address_that_is_none_of_a_redis_is_named(face: Face, service: PlayedService) -> None:
    service.add()
    with (
        face.connect(service.url, redis_url="http://nonsense") as client,
        pytest.raises(NoPushError, match="address of Redis"),
    ):
        client.subscribe("j1")
