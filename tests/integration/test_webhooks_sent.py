"""Webhooks on real parts: a job's end → Valkey → `rq worker` → a receiver that verifies them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from service import Service, eventually

from client import CallbackServer, Delivery, DeliveryState, State, TranslationClient, WebhookEvent
from store.secrets import WebhookSecrets

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO = "https://example.com/talk.mp4"
NO_SPEECH = {"duration_s": 0.1, "outcome": "error", "error_code": "no_speech"}

pytestmark = pytest.mark.sockets


@pytest.fixture
def secrets(service: Service) -> Iterator[WebhookSecrets]:
    with service.connection() as connection:
        yield WebhookSecrets(connection)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def settled(client: TranslationClient, job_id: str) -> Delivery:
    """Return the job's one delivery, once it is delivered or given up."""
    eventually(lambda: client.deliveries(job_id)[0].state is not DeliveryState.PENDING, 20)
    (delivery,) = client.deliveries(job_id)
    return delivery


def test_every_kind_of_end_arrives_verifies_and_is_the_jobs_document(
    client: TranslationClient, secrets: WebhookSecrets
) -> None:
    with CallbackServer(secrets.live("default")) as server:
        done = client.submit(VIDEO, callback_url=server.url, metadata={"name": "Ü"}, simulate={"duration_s": 0.1})
        failed = client.submit(VIDEO, callback_url=server.url, simulate=NO_SPEECH)
        cancelled = client.submit(VIDEO, callback_url=server.url, simulate={"outcome": "stall"})
        client.cancel(cancelled.job_id)
        events = {event.job.job_id: event for event in (server.take(timeout=20) for _ in range(3))}
        for job_id, state in (
            (done.job_id, State.COMPLETED),
            (failed.job_id, State.ERROR),
            (cancelled.job_id, State.CANCELLED),
        ):
            job = client.get_status(job_id)
            assert (events[job_id].type, events[job_id].job) == (f"translation.{state}", job)
            assert settled(client, job_id).state is DeliveryState.DELIVERED


def test_a_receiver_that_fails_gets_the_same_event_again(client: TranslationClient, secrets: WebhookSecrets) -> None:
    seen: list[str] = []

    def stumble(event: WebhookEvent) -> None:
        seen.append(event.webhook_id)
        if len(seen) == 1:
            raise OSError("no room")

    with CallbackServer(secrets.live("default"), on_event=stumble) as server:
        job = client.submit(VIDEO, callback_url=server.url, simulate={"duration_s": 0.1})
        event = server.take(timeout=20)
        delivery = settled(client, job.job_id)
    assert seen == [delivery.delivery_id] * 2 == [event.webhook_id] * 2
    assert [(each.status, each.error) for each in delivery.attempts] == [(500, "answered 500"), (204, None)]


def test_a_webhook_is_sent_again_for_the_asking_also_with_a_new_secret(
    client: TranslationClient, secrets: WebhookSecrets, stack: ExitStack
) -> None:
    (old, *_) = secrets.live("default")
    server = stack.enter_context(CallbackServer(old))
    job = client.submit(VIDEO, callback_url=server.url, simulate={"duration_s": 0.1})
    first = server.take(timeout=20)
    delivery = settled(client, job.job_id)
    server.close()
    new = secrets.rotate("default")
    again = stack.enter_context(CallbackServer(new, port=server.port))
    assert client.redeliver(job.job_id, delivery.delivery_id).state is DeliveryState.PENDING
    assert again.take(timeout=20) == first


def test_nobody_there_is_in_the_log_with_the_time_of_the_next_attempt(
    client: TranslationClient, secrets: WebhookSecrets
) -> None:
    with CallbackServer(secrets.live("default")) as server:
        url = server.url
    job = client.submit(VIDEO, callback_url=url, simulate={"duration_s": 0.1})
    eventually(lambda: any(each.tried for each in client.deliveries(job.job_id)), 20)
    (delivery,) = client.deliveries(job.job_id)
    eventually(lambda: client.deliveries(job.job_id)[0].attempts[0].error == "Connection refused", 5)
    assert delivery.state is DeliveryState.PENDING
