"""The outbox's sentences; each is tried on fakeredis and on a real Valkey."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from given import OUTPUT, Clock, begun, made
from keyspace import keyspace

from client.webhooks import WebhookEvent
from contract.delivery import ABANDONED, Answer, DeliveryState, answered
from contract.errors import DeliveryNotFoundError
from contract.job import Failure, Job
from contract.states import State
from store import keys
from store.outbox import TASK, Outbox
from store.sweep import Found, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from store.jobs import JobStore
    from store.ledger import Ledger
    from store.runs import RunStore

URL = "https://example.com/hook"
HOLD_S = 18
REFUSED = Answer(status=500, error="answered 500")


@pytest.fixture
def outbox(ledger: Ledger) -> Outbox:
    return ledger.outbox


@pytest.fixture
def owed(jobs: JobStore, runs: RunStore, outbox: Outbox) -> str:
    """Return the id of a delivery that is owed."""
    begun(jobs, runs, callback_url=URL).complete(OUTPUT)
    (delivery,) = outbox.of_job("j1", "default")
    return delivery.delivery_id


def waiting(connection: redis.Redis) -> list[str]:
    return [each.decode() for each in connection.lrange("rq:queue:webhooks", 0, -1)]


def popped(connection: redis.Redis) -> None:
    """Do what a worker does that dies before it has begun."""
    assert connection.lpop("rq:queue:webhooks")


ENDS: dict[State, Callable[[JobStore, RunStore], Job]] = {
    State.COMPLETED: lambda jobs, runs: begun(jobs, runs, callback_url=URL).complete(OUTPUT),
    State.ERROR: lambda jobs, runs: begun(jobs, runs, callback_url=URL).fail(Failure(code="x", message="")),
    State.CANCELLED: lambda jobs, _: jobs.cancel(made(jobs, callback_url=URL).job_id, "default"),
}


@pytest.mark.parametrize("state", ENDS)
def test_every_end_is_owed_to_whoever_asked_to_be_told(
    state: State, jobs: JobStore, runs: RunStore, outbox: Outbox, connection: redis.Redis
) -> None:
    job = ENDS[state](jobs, runs)
    (delivery,) = outbox.of_job("j1", "default")
    assert (delivery.type, delivery.url, delivery.job_id) == (f"translation.{state}", URL, "j1")
    assert waiting(connection) == [delivery.delivery_id]
    assert connection.zscore(keys.OUTBOX, delivery.delivery_id)
    parcel = outbox.begin(delivery.delivery_id, HOLD_S)
    assert parcel is not None
    told = WebhookEvent(webhook_id="", type=f"translation.{state}", timestamp=job.updated_at, job=job)
    assert json.loads(parcel.body) == told.to_wire()


def test_rq_gets_the_id_and_nothing_else(owed: str, outbox: Outbox) -> None:
    task = outbox.queue.fetch_job(owed)
    assert task is not None
    assert (task.func_name, task.args, task.kwargs) == (TASK, [owed], {})


def test_nothing_is_owed_before_the_end_or_to_nobody(
    jobs: JobStore, runs: RunStore, connection: redis.Redis, clock: Clock
) -> None:
    run = begun(jobs, runs, callback_url=URL)
    run.advance("fetch", 0.5)
    run.fail(Failure(code="x", message="", retryable=True), pause_s=1)
    begun(jobs, runs, "j2").complete(OUTPUT)
    clock.pass_s(1)
    assert not connection.exists(keys.OUTBOX)
    assert waiting(connection) == []


def test_the_end_of_a_job_that_was_reset_is_another_delivery(
    jobs: JobStore, runs: RunStore, outbox: Outbox, owed: str, clock: Clock
) -> None:
    clock.pass_s(1)
    jobs.reset("j1", "default")
    run = runs.start("j1")
    assert run is not None
    run.complete(OUTPUT)
    before, after = outbox.of_job("j1", "default")
    assert before.delivery_id == owed
    assert after.delivery_id != owed
    assert after.created_at == clock()


def test_one_of_two_workers_gets_a_delivery(owed: str, outbox: Outbox) -> None:
    assert outbox.begin(owed, HOLD_S)
    assert outbox.begin(owed, HOLD_S) is None
    assert outbox.begin("msg_unknown", HOLD_S) is None


def test_a_delivery_that_arrived_is_owed_no_more(owed: str, outbox: Outbox, connection: redis.Redis) -> None:
    parcel = outbox.begin(owed, HOLD_S)
    assert parcel is not None
    delivery = outbox.settle(parcel, answered(204), chance=0)
    assert delivery is not None
    assert delivery.state is DeliveryState.DELIVERED
    assert outbox.of_job("j1", "default") == [delivery]
    assert not connection.exists(keys.OUTBOX)
    assert outbox.begin(owed, HOLD_S) is None


def test_the_next_attempt_is_queued_when_it_is_due_and_has_the_same_body(
    owed: str, outbox: Outbox, sweep: Sweep, connection: redis.Redis, clock: Clock
) -> None:
    popped(connection)
    first = outbox.begin(owed, HOLD_S)
    assert first is not None
    outbox.settle(first, REFUSED, chance=0)
    clock.pass_s(3.9)
    assert outbox.begin(owed, HOLD_S) is None
    assert sweep.owed() == []
    clock.pass_s(1.1)
    assert sweep.owed() == [Found("owed", "j1", f"{owed}, tried 1 times")]
    assert waiting(connection) == [owed]
    second = outbox.begin(owed, HOLD_S)
    assert second is not None
    assert (second.body, second.delivery.tried) == (first.body, 2)


def test_a_delivery_that_was_popped_and_never_begun_is_found(
    owed: str, sweep: Sweep, connection: redis.Redis, clock: Clock
) -> None:
    popped(connection)
    clock.pass_s(1.9)
    assert sweep.owed() == []
    clock.pass_s(0.1)
    assert sweep.owed() == [Found("owed", "j1", f"{owed}, tried 0 times")]
    assert waiting(connection) == [owed]


def test_a_delivery_that_waits_in_the_queue_is_not_queued_again(
    owed: str, sweep: Sweep, connection: redis.Redis, clock: Clock
) -> None:
    for _ in range(3):
        clock.pass_s(6)
        assert sweep.owed() == []
    assert waiting(connection) == [owed]


def test_a_lost_worker_costs_an_attempt_and_can_write_nothing_more(
    owed: str, outbox: Outbox, sweep: Sweep, connection: redis.Redis, clock: Clock
) -> None:
    popped(connection)
    lost = outbox.begin(owed, HOLD_S)
    assert lost is not None
    clock.pass_s(HOLD_S - 1)
    assert sweep.owed() == []
    clock.pass_s(1)
    assert sweep.owed() == [Found("owed", "j1", f"{owed}, tried 1 times")]
    assert outbox.settle(lost, REFUSED, chance=0) is None
    (delivery,) = outbox.of_job("j1", "default")
    assert [each.error for each in delivery.attempts] == [ABANDONED]
    assert outbox.begin(owed, HOLD_S)


def test_a_worker_lost_on_the_last_attempt_ends_the_delivery(
    owed: str, outbox: Outbox, sweep: Sweep, clock: Clock
) -> None:
    for _ in range(10):
        clock.pass_s(6)
        sweep.owed()
        assert outbox.begin(owed, 0)
    sweep.owed()
    (delivery,) = outbox.of_job("j1", "default")
    assert (delivery.state, delivery.tried) == (DeliveryState.FAILED, 10)


@pytest.mark.parametrize("answer", [answered(204), answered(410)])
def test_a_settled_delivery_is_forgotten_as_a_job_is_and_leaves_nothing(
    answer: Answer,
    owed: str,
    outbox: Outbox,
    sweep: Sweep,
    connection: redis.Redis,
    clock: Clock,
) -> None:
    parcel = outbox.begin(owed, HOLD_S)
    assert parcel is not None
    outbox.settle(parcel, answer, chance=0)
    clock.pass_s(86_399)
    sweep.owed()
    assert outbox.of_job("j1", "default")
    clock.pass_s(1)
    sweep.owed()
    assert outbox.of_job("j1", "default") == []
    assert [key for key in keyspace(connection) if b"deliver" in key or key in (b"dubq:outbox", b"dubq:settled")] == []
    assert connection.exists(keys.record("j1"))


def test_a_delivery_outlives_the_job_that_it_tells_of(
    owed: str, outbox: Outbox, sweep: Sweep, connection: redis.Redis, clock: Clock
) -> None:
    popped(connection)
    clock.pass_s(86_401)
    assert Found("expired", "j1", "was completed") in (sweep.turn() or [])
    assert waiting(connection) == [owed]
    parcel = outbox.begin(owed, HOLD_S)
    assert parcel is not None
    assert json.loads(parcel.body)["data"]["job_id"] == "j1"
    outbox.settle(parcel, answered(204), chance=0)
    clock.pass_s(86_401)
    sweep.owed()
    assert [key for key in keyspace(connection) if b"deliver" in key] == []


def test_what_was_given_up_is_sent_again_for_the_asking(
    owed: str, outbox: Outbox, connection: redis.Redis, clock: Clock
) -> None:
    popped(connection)
    parcel = outbox.begin(owed, HOLD_S)
    assert parcel is not None
    outbox.settle(parcel, answered(410), chance=0)
    clock.pass_s(60)
    delivery = outbox.redeliver("j1", owed, "default")
    assert (delivery.state, delivery.next_attempt_at, delivery.tried) == (DeliveryState.PENDING, clock(), 0)
    assert waiting(connection) == [owed]
    assert not connection.exists(keys.SETTLED)
    again = outbox.begin(owed, HOLD_S)
    assert again is not None
    assert again.body == parcel.body


def test_asking_twice_queues_once(owed: str, outbox: Outbox, connection: redis.Redis, clock: Clock) -> None:
    for _ in range(2):
        clock.pass_s(1)
        outbox.redeliver("j1", owed, "default")
    assert waiting(connection) == [owed]


@pytest.mark.parametrize("whose", [("j2", "default"), ("j1", "somebody")])
def test_nobody_can_send_what_is_anothers(whose: tuple[str, str], owed: str, outbox: Outbox) -> None:
    job_id, client_id = whose
    with pytest.raises(DeliveryNotFoundError):
        outbox.redeliver(job_id, owed, client_id)
    assert outbox.of_job(job_id, client_id) == []


def test_a_delivery_that_cannot_be_read_stops_no_other(
    owed: str, jobs: JobStore, runs: RunStore, sweep: Sweep, connection: redis.Redis, clock: Clock
) -> None:
    connection.hset(keys.delivery(owed), "document", "{")
    begun(jobs, runs, "j2", callback_url=URL).complete(OUTPUT)
    connection.delete("rq:queue:webhooks")
    clock.pass_s(6)
    found: dict[str, Any] = {each.kind: each.job_id for each in sweep.owed()}
    assert found == {"broken": owed, "owed": "j2"}


def test_entries_without_a_delivery_go(outbox: Outbox, sweep: Sweep, connection: redis.Redis, clock: Clock) -> None:
    for index in (keys.OUTBOX, keys.SETTLED):
        connection.zadd(index, {"msg_gone": 1})
    clock.pass_s(1)
    assert sweep.owed() == []
    assert not connection.exists(keys.OUTBOX, keys.SETTLED)
    assert outbox.of_job("j1", "default") == []
