"""Webhooks that a CallbackServer takes in, over real sockets and with real signatures."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hooks import SECRET, ended, event_of, post, quiet

from client import CallbackServer, ClientClosedError, WaitTimeoutError, WebhookEvent, callbacks
from contract.errors import JobNotFoundError
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.sockets

EVENT = event_of(ended())


def test_a_webhook_that_comes_can_be_taken(server: CallbackServer) -> None:
    answer = post(server.url, EVENT)
    assert (answer.status_code, answer.content) == (204, b"")
    assert server.take(5) == EVENT


def test_whoever_waits_for_an_event_gets_it_when_it_comes(server: CallbackServer) -> None:
    with ThreadPoolExecutor() as pool:
        taken = pool.submit(server.take, 10)
        post(server.url, EVENT)
        assert taken.result(10) == EVENT


def test_taking_times_out(server: CallbackServer) -> None:
    with pytest.raises(WaitTimeoutError, match=r"no webhook came within 0\.05 s"):
        server.take(0.05)


def test_a_delivery_that_comes_again_is_answered_well_and_given_once(server: CallbackServer) -> None:
    assert [post(server.url, EVENT).status_code for _ in range(3)] == [204] * 3
    assert server.take(5) == EVENT
    assert quiet(server)


def test_events_are_iterated_over_until_the_end() -> None:
    with CallbackServer(SECRET) as server:
        for number in range(3):
            post(server.url, event_of(ended(), f"msg_{number}"))
        server.close()
        assert [event.webhook_id for event in server] == ["msg_0", "msg_1", "msg_2"]
        with pytest.raises(ClientClosedError):
            server.take(5)


def test_each_event_goes_to_the_handler_for_its_type_or_else_to_the_general_one() -> None:
    got: dict[str, list[State]] = {"completed": [], "failed": [], "rest": []}

    def into(name: str) -> Callable[[WebhookEvent], None]:
        return lambda event: got[name].append(event.job.state)

    with CallbackServer(
        SECRET, on_completed=into("completed"), on_failed=into("failed"), on_event=into("rest")
    ) as server:
        for state in (State.COMPLETED, State.ERROR, State.CANCELLED):
            assert post(server.url, event_of(ended(state), f"msg_{state}")).status_code == 204
        assert [server.take(5).job.state for _ in range(3)] == [State.COMPLETED, State.ERROR, State.CANCELLED]
    assert got == {"completed": [State.COMPLETED], "failed": [State.ERROR], "rest": [State.CANCELLED]}


@pytest.mark.parametrize("error", [ZeroDivisionError("my own secret"), JobNotFoundError("my own job")])
def test_a_delivery_whose_handler_fails_is_answered_500_and_handled_when_it_comes_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[WebhookEvent] = []

    def handle(event: WebhookEvent) -> None:
        tried.append(event)
        if len(tried) == 1:
            raise error

    with CallbackServer(SECRET, on_completed=handle) as server:
        answer = post(server.url, EVENT)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert str(error) not in answer.text
        assert quiet(server)
        assert [post(server.url, EVENT).status_code for _ in range(2)] == [204, 204]
        assert server.take(0) == EVENT
    assert tried == [EVENT, EVENT]
    (record,) = caplog.records
    assert record.message == "webhook_handler_failed"
    assert record.exc_info
    assert record.exc_info[1] is error


def test_of_two_deliveries_at_once_one_is_handled_and_the_other_comes_again_later() -> None:
    began, may_end, handled = threading.Event(), threading.Event(), []

    def handle(event: WebhookEvent) -> None:
        began.set()
        assert may_end.wait(10)
        handled.append(event)

    with CallbackServer(SECRET, on_event=handle) as server, ThreadPoolExecutor() as pool:
        first = pool.submit(post, server.url, EVENT)
        assert began.wait(10)
        second = post(server.url, EVENT)
        assert (second.status_code, second.headers["Retry-After"]) == (503, "5")
        assert second.json()["retryable"]
        may_end.set()
        assert first.result().status_code == 204
        assert post(server.url, EVENT).status_code == 204
    assert handled == [EVENT]


def test_of_many_deliveries_at_once_each_event_is_handled_once() -> None:
    handled: list[str] = []
    with (
        CallbackServer(SECRET, on_event=lambda event: handled.append(event.webhook_id)) as server,
        ThreadPoolExecutor(16) as pool,
    ):

        def insist(number: int) -> int:
            event = event_of(ended(), f"msg_{number % 20}")
            while (status := post(server.url, event).status_code) == 503:
                pass
            return status

        assert set(pool.map(insist, range(100))) == {204}
    assert sorted(handled) == sorted(f"msg_{number}" for number in range(20))


def test_a_slow_handler_keeps_no_other_event_waiting() -> None:
    meeting = threading.Barrier(2)
    with CallbackServer(SECRET, on_event=lambda _: meeting.wait(10)) as server, ThreadPoolExecutor() as pool:
        answers = pool.map(lambda number: post(server.url, event_of(ended(), f"msg_{number}")), range(2))
        assert [answer.status_code for answer in answers] == [204, 204]


def test_without_handlers_no_event_is_taken_in_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "WAITING", 2)
    with CallbackServer(SECRET) as server:
        events = [event_of(ended(), f"msg_{number}") for number in range(3)]
        assert [post(server.url, event).status_code for event in events] == [204, 204, 503]
        assert server.take(0) == events[0]
        assert post(server.url, events[2]).status_code == 204
        assert [server.take(0), server.take(0)] == events[1:]
