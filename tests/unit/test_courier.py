"""What a worker does with one delivery; each sentence is tried on fakeredis and on a real Valkey."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from given import OUTPUT, START, begun
from world import LOGGER, events

from client import webhooks
from contract.delivery import Answer, DeliveryState, answered
from store.secrets import WebhookSecrets
from worker.logs import Log
from worker.notifying import Notifier
from worker.webhooks import Courier, deliver

if TYPE_CHECKING:
    from collections.abc import Mapping

    import redis
    from given import Clock

    from store.jobs import JobStore
    from store.ledger import Ledger
    from store.runs import RunStore

URL = "https://example.com/hook"


@dataclass
class Stage:
    """A courier whose posts are answered as a test says; it remembers what it has posted."""

    ledger: Ledger
    clock: Clock
    answers: list[Answer] = field(default_factory=list)
    posted: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    timeout_s: float = 15.0

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.posted.append((url, headers, body))
        self.clock.pass_s(0.25)
        return self.answers.pop(0)

    def deliver(self, *answers: Answer) -> None:
        """Make the next attempt at the one delivery that there is."""
        self.answers += answers
        courier = Courier(
            sender=self,
            notifier=Notifier(schemes=frozenset()),
            log=Log(logging.getLogger(LOGGER)),
            chance=lambda: 0.0,
            clock=self.clock,
        )
        courier.deliver(self.delivery_id, self.ledger.outbox, self.secrets)

    @property
    def secrets(self) -> WebhookSecrets:
        return WebhookSecrets(self.ledger.redis, self.clock)

    @property
    def delivery_id(self) -> str:
        (delivery,) = self.ledger.outbox.of_job("j1", "default")
        return delivery.delivery_id

    @property
    def state(self) -> DeliveryState | str:
        (delivery,) = self.ledger.outbox.of_job("j1", "default")
        return delivery.state


@pytest.fixture
def stage(jobs: JobStore, runs: RunStore, ledger: Ledger, clock: Clock) -> Stage:
    begun(jobs, runs, callback_url=URL).complete(OUTPUT)
    return Stage(ledger, clock)


def test_a_webhook_verifies_at_its_receivers(stage: Stage, jobs: JobStore, clock: Clock) -> None:
    stage.deliver(answered(204))
    ((url, headers, body),) = stage.posted
    event = webhooks.verify(headers, body, stage.secrets.live("default"), now=clock)
    assert (url, event.webhook_id, event.type, event.timestamp) == (
        URL,
        stage.delivery_id,
        "translation.completed",
        START,
    )
    assert event.job == jobs.read("j1", "default")
    assert stage.state is DeliveryState.DELIVERED


def test_while_a_secret_takes_over_from_another_either_verifies(stage: Stage, clock: Clock) -> None:
    (old,) = stage.secrets.live("default")
    new = stage.secrets.rotate("default", overlap_s=60)
    stage.deliver(answered(204))
    _, headers, body = stage.posted[0]
    for secret in (old, new):
        assert webhooks.verify(headers, body, secret, now=clock)


def test_another_attempt_has_the_same_id_and_body_and_a_time_of_its_own(stage: Stage, clock: Clock) -> None:
    stage.deliver(answered(500))
    assert stage.state is DeliveryState.PENDING
    clock.pass_s(5)
    stage.deliver(answered(200))
    (_, first, body), (_, second, same) = stage.posted
    assert body == same
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 5
    assert stage.state is DeliveryState.DELIVERED
    assert webhooks.verify(second, same, stage.secrets.live("default"), now=clock)


def test_what_is_not_due_is_not_sent(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    stage.deliver(answered(500))
    stage.deliver()
    assert len(stage.posted) == 1
    assert events(caplog) == ["webhook_refused", "webhook_void"]


def test_what_was_given_to_somebody_else_is_not_settled(
    stage: Stage, clock: Clock, caplog: pytest.LogCaptureFixture, connection: redis.Redis
) -> None:
    class Slow(Stage):
        def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
            answer = super().post(url, headers, body)
            connection.hincrby(f"dubq:delivery:{self.delivery_id}", "version", 1)
            return answer

    Slow(stage.ledger, clock).deliver(answered(204))
    assert events(caplog) == ["webhook_given_up"]
    assert stage.state is DeliveryState.PENDING


def test_a_receiver_that_is_away_for_three_days_gets_its_event(stage: Stage, clock: Clock) -> None:
    for _ in range(9):
        stage.deliver(Answer(error="Connection refused"))
        (delivery,) = stage.ledger.outbox.of_job("j1", "default")
        assert delivery.next_attempt_at is not None
        clock.now = delivery.next_attempt_at
    assert clock() - START > timedelta(days=3)
    stage.deliver(answered(200))
    assert stage.state is DeliveryState.DELIVERED
    assert len({body for *_, body in stage.posted}) == 1


def test_only_a_worker_may_call_the_task() -> None:
    with pytest.raises(RuntimeError, match="for an RQ worker to call"):
        deliver("msg_1")
