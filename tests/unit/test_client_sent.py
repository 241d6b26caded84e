"""Both faces read the log of webhooks, and have one sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from replying import BEGAN, Service

from client import Attempt, Delivery, DeliveryNotFoundError, DeliveryState, JobNotFoundError

pytestmark = pytest.mark.usefixtures("over_both_faces")

DELIVERY = Delivery(
    delivery_id="msg_1",
    job_id="j1",
    type="translation.completed",
    url="https://example.com/hook",
    created_at=BEGAN,
    next_attempt_at=BEGAN + timedelta(seconds=5),
    tried=1,
    attempts=(Attempt(at=BEGAN, status=500, duration_s=0.1, error="answered 500"),),
)


def test_the_log_of_a_jobs_webhooks_is_read() -> None:
    service = Service((200, {"deliveries": [DELIVERY.to_wire(), DELIVERY.to_wire() | {"state": "of_tomorrow"}]}))
    client = service.client()
    known, newer = client.deliveries("dubq1.j1")
    assert known == DELIVERY
    assert known.state is DeliveryState.PENDING
    assert newer.state == "of_tomorrow"
    assert service.urls() == ["http://dubq.test/jobs/j1/deliveries"]
    assert client.metrics.requests_by_kind == {"deliveries": 1}


def test_a_job_without_webhooks_has_an_empty_log() -> None:
    assert Service((200, {"deliveries": []})).client().deliveries("j1") == []


def test_a_webhook_is_sent_again() -> None:
    service = Service((202, DELIVERY.to_wire()))
    assert service.client().redeliver("j1", "msg/1?") == DELIVERY
    assert service.urls() == ["http://dubq.test/jobs/j1/deliveries/msg%2F1%3F/redeliver"]
    assert [request.method for _, request in service.seen] == ["POST"]


def test_what_is_not_there_is_an_error_of_its_own() -> None:
    problem = {"code": "delivery_not_found", "status": 404, "detail": "job j1 has no delivery msg_1"}
    with pytest.raises(DeliveryNotFoundError, match="no delivery msg_1"):
        Service((404, problem)).client().redeliver("j1", "msg_1")
    with pytest.raises(JobNotFoundError):
        Service().client().deliveries("a/b")
