"""How a client finds its way to Redis, and what it does without one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from replying import Service, wire

from client import NoPushError
from client.http import Answer, Roads
from client.ladder import Road
from contract.errors import (
    AuthenticationError,
)
from contract.job import Job
from contract.states import State

if TYPE_CHECKING:
    from faces import Face

    from client.steps import Send


pytestmark = pytest.mark.usefixtures("over_both_faces")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 418])
def test_a_wait_goes_on_where_the_way_to_redis_is_refused(status: int) -> None:
    service = Service((status, {}), (200, wire(State.COMPLETED, 2)))
    assert service.client().wait("j1").done


def test_a_wait_ends_where_nobody_may_ask_for_the_way_to_redis() -> None:
    service = Service((401, {}), (200, wire(State.COMPLETED, 2)))
    with pytest.raises(AuthenticationError):
        service.client().wait("j1")


def test_a_wait_goes_on_where_the_address_of_redis_has_an_option_that_does_not_exist() -> None:
    roads = {"client_id": "acme", "redis": None}
    url = "redis://127.0.0.1:1/0?colour=red"
    service = Service((200, roads), (200, wire(State.RUNNING, 1)), (200, wire(State.COMPLETED, 2)))
    assert service.client(redis_url=url).wait("j1").done
    with pytest.raises(NoPushError, match="address of Redis cannot be used"):
        Service((200, roads)).client(redis_url=url).subscribe("j1")


@pytest.mark.parametrize("status", [403, 405])
def test_a_redis_of_one_s_own_is_used_once_a_job_says_who_we_are(face: Face, status: int) -> None:
    service = Service((status, {}))
    way = service.client(redis_url="redis://own")._means.way
    assert face.result(way.find(Road.REDIS, 1.0)).result().redis_url is None
    way.note(Job.from_wire(wire(State.RUNNING, 1)))
    assert face.result(way.find(Road.REDIS, 1.0)).result() == Roads(client_id="acme", redis_url="redis://own")
    assert len(service.seen) == 1


def test_a_wait_goes_on_where_a_line_to_redis_cannot_even_be_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: Any, **__: Any) -> None:
        raise OSError(24, "Too many open files")

    roads = {"client_id": "acme", "redis": {"url": "redis://127.0.0.1:1"}}
    service = Service((200, roads), (200, wire(State.RUNNING, 1)), (200, wire(State.COMPLETED, 2)))
    monkeypatch.setattr("client.listener.socket.socketpair", no_more)
    assert service.client().subscribe("j1").done


def test_a_wait_goes_on_where_no_thread_can_be_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    roads = {"client_id": "acme", "redis": {"url": "redis://127.0.0.1:1"}}
    service = Service((200, roads), (200, wire(State.RUNNING, 1)), (200, wire(State.COMPLETED, 2)))
    monkeypatch.setattr("client.listener.threading.Thread.start", no_more)
    assert service.client().subscribe("j1").done


def test_asking_for_the_way_to_redis_takes_what_others_have_left_of_the_time(face: Face) -> None:
    seen: list[float] = []
    service = Service((200, {"client_id": "acme", "redis": None}))
    way = service.client()._means.way

    def promised(value: Any) -> Any:
        async def promise() -> Any:
            return value

        return value if face.name == "blocking" else promise()

    class Lock:
        """Somebody else's, who takes a second and a half."""

        def acquire(self, timeout: float = 2.0) -> Any:
            service.now_s += min(timeout, 1.5)
            return promised(True)  # noqa: FBT003

        def release(self) -> None:
            pass

    def send(step: Send[Any]) -> Any:
        seen.append(step.within_s)
        return promised(Answer(is_passing=True))

    way._lock = Lock()
    way._transport = SimpleNamespace(send=send)
    face.result(way.find(Road.REDIS, 2.0))
    assert seen == [0.5]


def test_wait_polls_where_the_service_has_no_redis_and_subscribe_says_what_to_do() -> None:
    service = Service((200, {"client_id": "acme", "redis": None}), (200, wire(State.COMPLETED, 2)))
    client = service.client()
    assert client.wait("j1").done
    with pytest.raises(NoPushError, match=r"use client\.wait or client\.poll_status"):
        client.subscribe("j1")
    assert [urlsplit(url).path for url in service.urls()] == ["/connect", "/jobs/j1"]


def test_wait_polls_where_the_package_redis_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("driver", "aio_driver"):
        monkeypatch.setattr(f"client.{module}.has_redis", lambda: False)
    client = Service((200, wire(State.COMPLETED, 2))).client()
    assert client.wait("j1").done
    with pytest.raises(NoPushError, match=r"pip install .dubq\[push\]."):
        client.subscribe("j1")
