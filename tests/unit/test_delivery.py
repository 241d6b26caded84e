"""A delivery's schedule and moves, without a store: time and chance are told."""

from datetime import timedelta

import pytest
from given import START
from hooks import ended

from contract.delivery import (
    ABANDONED,
    LOG,
    PAUSES_S,
    Answer,
    Attempt,
    Delivery,
    DeliveryState,
    abandon,
    again,
    answered,
    begin,
    first,
    pause_s,
    settle,
)

REFUSED = Answer(status=500, error="answered 500")


def a_delivery() -> Delivery:
    return first(ended(), "https://example.com/hook", "msg_1")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_success(status: int) -> None:
    assert answered(status) == Answer(status=status)


@pytest.mark.parametrize(
    "status", [199, 300, 302, 304, 308, 400, 401, 404, 408, 409, 422, 429, 500, 502, 503, 504, 599]
)
def test_nothing_but_2xx_is_success(status: int) -> None:
    answer = answered(status)
    assert (answer.status, answer.is_hopeless) == (status, False)
    assert answer.error


def test_410_ends_the_attempts() -> None:
    assert answered(410).error
    assert answered(410).is_hopeless


def test_the_schedule_is_the_standards_and_takes_more_than_three_days() -> None:
    assert [pause_s(tried, 0) for tried in range(1, 11)] == [*PAUSES_S, None]
    assert sum(PAUSES_S) > 3 * 86_400


def test_jitter_makes_a_pause_up_to_a_tenth_longer() -> None:
    assert pause_s(1, 0.5) == pytest.approx(5.25)
    assert pause_s(2, 0.9999) == pytest.approx(330, abs=0.1)


def test_a_receiver_that_is_away_for_good_is_tried_ten_times_and_then_given_up() -> None:
    delivery, at = a_delivery(), START
    for tried in range(1, 11):
        assert delivery.state is DeliveryState.PENDING
        assert delivery.next_attempt_at is not None
        at = delivery.next_attempt_at
        delivery = settle(begin(delivery, at), REFUSED, at, chance=0)
        assert delivery.tried == tried
    assert (delivery.state, delivery.next_attempt_at) == (DeliveryState.FAILED, None)
    assert at - START == timedelta(seconds=sum(PAUSES_S))


def test_a_schedule_runs_as_many_times_faster_as_one_says() -> None:
    delivery = settle(begin(a_delivery(), START), REFUSED, START, chance=0, speed=100)
    assert delivery.next_attempt_at == START + timedelta(milliseconds=50)


def test_an_attempt_that_ended_well_ends_the_delivery() -> None:
    under_way = begin(a_delivery(), START)
    assert under_way.is_under_way
    delivery = settle(under_way, answered(204), START + timedelta(seconds=1.5), chance=0)
    assert (delivery.state, delivery.next_attempt_at, delivery.is_under_way) == (DeliveryState.DELIVERED, None, False)
    assert delivery.attempts == (Attempt(at=START, status=204, duration_s=1.5),)


def test_a_hopeless_answer_ends_the_attempts_at_once() -> None:
    delivery = settle(begin(a_delivery(), START), answered(410), START, chance=0)
    assert (delivery.state, delivery.tried) == (DeliveryState.FAILED, 1)


def test_a_lost_sender_costs_an_attempt_and_the_next_one_is_due_at_once() -> None:
    later = START + timedelta(seconds=18)
    delivery = abandon(begin(a_delivery(), START), later)
    assert (delivery.state, delivery.next_attempt_at, delivery.tried) == (DeliveryState.PENDING, later, 1)
    assert delivery.attempts == (Attempt(at=START, duration_s=18.0, error=ABANDONED),)


def test_a_delivery_that_kills_every_sender_is_given_up() -> None:
    delivery = a_delivery()
    for _ in range(10):
        delivery = abandon(begin(delivery, START), START)
    assert delivery.state is DeliveryState.FAILED


@pytest.mark.parametrize("answer", [answered(204), answered(410), REFUSED])
def test_whoever_asks_for_it_again_gets_the_whole_schedule_again(answer: Answer) -> None:
    delivery = again(settle(begin(a_delivery(), START), answer, START, chance=0), START + timedelta(days=1))
    assert (delivery.state, delivery.tried) == (DeliveryState.PENDING, 0)
    assert delivery.next_attempt_at == START + timedelta(days=1)
    assert len(delivery.attempts) == 1


def test_what_is_being_sent_is_not_sent_twice_for_the_asking() -> None:
    under_way = begin(a_delivery(), START)
    assert again(under_way, START) is under_way


def test_the_log_keeps_the_newest_attempts() -> None:
    delivery = a_delivery()
    for second in range(LOG + 5):
        at = START + timedelta(seconds=second)
        delivery = again(settle(begin(delivery, at), answered(204), at, chance=0), at)
    assert len(delivery.attempts) == LOG
    assert delivery.attempts[-1].at == START + timedelta(seconds=LOG + 4)


@pytest.mark.parametrize(
    "delivery", [a_delivery(), begin(a_delivery(), START), settle(begin(a_delivery(), START), REFUSED, START, chance=0)]
)
def test_a_delivery_survives_the_wire(delivery: Delivery) -> None:
    assert Delivery.from_wire({**delivery.to_wire(), "of_tomorrow": 1}) == delivery


def test_a_state_of_tomorrow_is_a_string() -> None:
    delivery = Delivery.from_wire({**a_delivery().to_wire(), "state": "held"})
    assert (delivery.state, delivery.is_under_way, delivery.to_wire()["state"]) == ("held", False, "held")


@pytest.mark.parametrize("wrong", [{"state": 1}, {"created_at": "2026-01-01T00:00:00"}, {"attempts": None}])
def test_what_is_no_delivery_is_not_read_as_one(wrong: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Delivery.from_wire({**a_delivery().to_wire(), **wrong})
