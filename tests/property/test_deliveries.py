"""Whatever happens to a delivery, its log makes sense, and it is not lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import fakeredis
from given import OUTPUT, START, Clock, begun
from hooks import ended
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.delivery import (
    LOG,
    PAUSES_S,
    Answer,
    Delivery,
    DeliveryState,
    abandon,
    again,
    answered,
    begin,
    first,
    settle,
)
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger
from store.runs import RunStore
from store.settings import StoreSettings
from store.sweep import Sweep

if TYPE_CHECKING:
    from store.outbox import Parcel

ANSWERS = st.sampled_from([answered(204), answered(410), answered(500), answered(302), Answer(error="away")])
STEPS = st.lists(st.sampled_from(["begin", "abandon", "again"]) | ANSWERS, max_size=60)


@given(steps=STEPS, chance=st.floats(0, 1, exclude_max=True), speed=st.floats(0.01, 10_000))
def test_the_log_of_a_delivery_makes_sense(steps: list[str | Answer], chance: float, speed: float) -> None:
    delivery, at = first(ended(), "https://example.com/hook", "msg_1"), START
    for step in steps:
        at += timedelta(seconds=1)
        delivery = _after(delivery, step, at, chance, speed)
        assert len(delivery.attempts) <= LOG
        assert delivery.tried <= len(PAUSES_S) + 1
        under_way = [each for each in delivery.attempts if each.duration_s is None]
        assert under_way == ([delivery.attempts[-1]] if delivery.is_under_way else [])
        assert (delivery.state is DeliveryState.PENDING) or delivery.next_attempt_at is None
        assert Delivery.from_wire(delivery.to_wire()) == delivery


def _after(delivery: Delivery, step: str | Answer, at: object, chance: float, speed: float) -> Delivery:
    """Return what a step makes of a delivery: nothing where it is not one that can be made now."""
    assert isinstance(at, type(START))
    if step == "again":
        return again(delivery, at)
    if step == "begin":
        return begin(delivery, at) if delivery.next_attempt_at else delivery
    if not delivery.is_under_way:
        return delivery
    return abandon(delivery, at) if isinstance(step, str) else settle(delivery, step, at, chance=chance, speed=speed)


CONNECTION = fakeredis.FakeRedis(version=(7,))
HAPPENINGS = st.lists(st.sampled_from(["popped", "taken", "answered", "failed", "sweep", "redeliver", 1.0, 6.0, 20.0]))


@settings(max_examples=60)
@given(happenings=HAPPENINGS)
def test_whatever_workers_and_sweeps_do_what_is_owed_arrives_or_had_ten_attempts(happenings: list[str | float]) -> None:
    """Workers pop and die, take and die, answer late; then one comes that lives, and a sweep now and then."""
    CONNECTION.flushall()
    world = World()
    for each in happenings:
        world.let(each)
    world.taken.clear()  # those workers are dead
    for _ in range(3):
        world.let(20.0)
        world.let("sweep")
        if world.take():
            world.let("answered")
    (delivery,) = world.ledger.outbox.of_job("j1", "default")
    is_given_up = delivery.state is DeliveryState.FAILED and delivery.tried > len(PAUSES_S)
    assert delivery.state is DeliveryState.DELIVERED or is_given_up
    assert not CONNECTION.exists(keys.OUTBOX)
    assert CONNECTION.zcard(keys.SETTLED) == 1


class World:
    """A job that has ended, and what may happen to its webhook. The schedule is in a hurry."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ledger = Ledger(CONNECTION, StoreSettings(), self.clock)
        self.sweep = Sweep(self.ledger)
        self.taken: list[Parcel] = []
        begun(JobStore(self.ledger), RunStore(self.ledger), callback_url="https://example.com/hook").complete(OUTPUT)
        (self.delivery,) = self.ledger.outbox.of_job("j1", "default")

    def let(self, happen: str | float) -> None:
        outbox = self.ledger.outbox
        match happen:
            case "popped":
                CONNECTION.lpop(outbox.queue.key)
            case "taken":
                self.take()
            case "answered" | "failed" if self.taken:
                answer = answered(204) if happen == "answered" else answered(500)
                outbox.settle(self.taken.pop(0), answer, chance=0, speed=10_000)
            case "sweep":
                self.sweep.owed()
            case "redeliver":
                outbox.redeliver("j1", self.delivery.delivery_id, "default")
            case float(seconds):
                self.clock.pass_s(seconds)

    def take(self) -> bool:
        """Do what a worker does first."""
        popped = CONNECTION.lpop(self.ledger.outbox.queue.key)
        parcel = self.ledger.outbox.begin(popped.decode(), 18) if isinstance(popped, bytes) else None
        self.taken += [parcel] if parcel else []
        return parcel is not None
