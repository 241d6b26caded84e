"""Who is told of an end besides programs; each sentence is tried on fakeredis and on a real Valkey."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from given import OUTPUT, Clock, a_job, begun
from world import LOGGER

from contract.delivery import Answer, DeliveryKind, DeliveryState
from contract.notice import MOST_TARGETS, Target
from contract.states import State
from store import keys, measures, tally
from store.clients import Clients
from store.jobs import JobStore
from store.ledger import Ledger
from store.runs import RunStore
from store.secrets import WebhookSecrets
from store.settings import StoreSettings
from worker.logs import Log
from worker.posting import Sender
from worker.webhooks import Courier

if TYPE_CHECKING:
    import redis

    from contract.delivery import Delivery

SLACK = Target(target_id="t1", url="slack://secret")
MAIL = Target(target_id="t2", url="mailtos://secret", on=(State.ERROR,))


@pytest.fixture
def ledger(connection: redis.Redis, clock: Clock) -> Ledger:
    return Ledger(connection, StoreSettings(notify_schemes=frozenset({"slack", "mailtos"})), clock)


def owed(ledger: Ledger) -> list[Delivery]:
    return ledger.outbox.of_job("j1", "default")


@dataclass
class Told:
    """Stands for who sends notifications; it remembers what it was to tell, and answers as a test says."""

    answer: Answer = field(default_factory=Answer)
    told: list[tuple[Target | None, bytes]] = field(default_factory=list)

    def send(self, target: Target | None, event: bytes) -> Answer:
        self.told.append((target, event))
        return self.answer

    def deliver(self, ledger: Ledger, delivery_id: str) -> None:
        log = Log(logging.getLogger(LOGGER))
        courier = Courier(sender=Sender(), notifier=self, log=log, chance=lambda: 0.0, clock=ledger.clock)  # type: ignore[arg-type]
        courier.deliver(delivery_id, ledger.outbox, WebhookSecrets(ledger.redis))


def test_an_end_is_owed_to_all_who_want_to_be_told_of_it_and_once_to_each(
    ledger: Ledger, jobs: JobStore, runs: RunStore, connection: redis.Redis
) -> None:
    for target in (SLACK, MAIL):
        ledger.outbox.targets.add("default", target)
    ledger.outbox.targets.add("another", replace(SLACK, target_id="t3"))
    begun(jobs, runs, callback_url="https://example.com/hook").complete(OUTPUT)
    webhook, slack = sorted(owed(ledger), key=lambda each: str(each.kind), reverse=True)
    assert (webhook.kind, webhook.url) == (DeliveryKind.WEBHOOK, "https://example.com/hook")
    assert (slack.kind, slack.url, slack.type) == (DeliveryKind.NOTIFICATION, "slack://…", "translation.completed")
    assert connection.llen("rq:queue:webhooks") == 2
    assert webhook.delivery_id != slack.delivery_id


def test_nobody_is_told_and_nothing_read_where_the_operator_allows_nothing(
    connection: redis.Redis, clock: Clock
) -> None:
    strict = Ledger(connection, StoreSettings(), clock)
    strict.outbox.targets.add("default", SLACK)
    begun(JobStore(strict), RunStore(strict)).complete(OUTPUT)
    assert owed(strict) == []
    assert strict.outbox.targets._known == {}


def test_a_notification_is_sent_with_the_target_as_it_is_now_and_settled(
    ledger: Ledger, jobs: JobStore, runs: RunStore
) -> None:
    ledger.outbox.targets.add("default", SLACK)
    job = begun(jobs, runs).complete(OUTPUT)
    (delivery,) = owed(ledger)
    notifier = Told()
    notifier.deliver(ledger, delivery.delivery_id)
    ((target, event),) = notifier.told
    assert target == SLACK
    assert json.loads(event)["data"] == job.to_wire()
    assert owed(ledger)[0].state is DeliveryState.DELIVERED
    counts = tally.read(ledger.redis)
    assert counts[measures.NOTIFICATIONS.of("delivered")] == 1
    assert measures.WEBHOOKS.of("delivered") not in counts


def test_one_that_fails_is_tried_again_as_a_webhook_is_and_says_why(
    ledger: Ledger, jobs: JobStore, runs: RunStore, clock: Clock
) -> None:
    ledger.outbox.targets.add("default", SLACK)
    begun(jobs, runs).complete(OUTPUT)
    (delivery,) = owed(ledger)
    notifier = Told(Answer(error="no such channel"))
    notifier.deliver(ledger, delivery.delivery_id)
    (delivery,) = owed(ledger)
    assert (delivery.state, delivery.attempts[0].error) == (DeliveryState.PENDING, "no such channel")
    clock.pass_s(5)
    ledger.outbox.targets.remove("default", "t1")
    notifier.deliver(ledger, delivery.delivery_id)
    assert notifier.told[1][0] is None


def test_a_target_that_is_named_again_keeps_its_id_and_there_is_room_for_so_many(
    ledger: Ledger, connection: redis.Redis
) -> None:
    targets = ledger.outbox.targets
    assert targets.add("default", SLACK) == SLACK
    again = targets.add("default", Target(target_id="new", url=SLACK.url, on=(State.ERROR,)))
    assert again == Target(target_id="t1", url=SLACK.url, on=(State.ERROR,))
    for number in range(1, MOST_TARGETS):
        assert targets.add("default", Target(target_id=f"x{number}", url=f"slack://{number}"))
    assert targets.add("default", MAIL) is None
    assert len(targets.of_client("default")) == connection.hlen(keys.targets("default")) == MOST_TARGETS
    assert targets.add("default", SLACK)
    assert targets.remove("default", "t1")
    assert not targets.remove("default", "t1")
    assert targets.add("default", MAIL) == MAIL


def test_a_process_hears_within_a_second_whom_to_tell(ledger: Ledger, clock: Clock) -> None:
    targets, job = ledger.outbox.targets, replace(a_job(), state=State.COMPLETED)
    assert targets.wanting(job) == []
    targets.add("default", SLACK)
    assert targets.wanting(job) == []
    clock.pass_s(1)
    assert targets.wanting(job) == [SLACK]
    assert targets.wanting(replace(job, client_id="another")) == []
    targets.remove("default", "t1")
    clock.pass_s(-3600)
    assert targets.wanting(job) == []


def test_a_deleted_client_leaves_no_secret(ledger: Ledger, clock: Clock, connection: redis.Redis) -> None:
    clients = Clients(connection, clock)
    clients.create("acme")
    ledger.outbox.targets.add("acme", SLACK)
    clients.delete("acme")
    assert not connection.exists(keys.targets("acme"))
