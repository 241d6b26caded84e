from __future__ import annotations

import threading

import pytest

from client.deliveries import Inbox, Once, Turn


def test_an_id_is_handled_once_and_then_past() -> None:
    once = Once(kept=10)
    assert once.begin("a") is Turn.YOURS
    assert once.begin("a") is Turn.ANOTHERS
    once.end("a", is_done=True)
    assert once.begin("a") is Turn.PAST
    assert once.begin("b") is Turn.YOURS


def test_what_went_wrong_may_be_tried_again() -> None:
    once = Once(kept=10)
    once.begin("a")
    once.end("a", is_done=False)
    assert once.begin("a") is Turn.YOURS


def test_only_the_newest_ids_are_remembered() -> None:
    once = Once(kept=2)
    for webhook_id in "abc":
        once.begin(webhook_id)
        once.end(webhook_id, is_done=True)
    assert [once.begin(webhook_id) for webhook_id in "abc"] == [Turn.YOURS, Turn.PAST, Turn.PAST]


def test_a_full_inbox_refuses_or_forgets_the_oldest() -> None:
    keeping, forgetting = Inbox[int](2, forgets=False), Inbox[int](2, forgets=True)
    assert [keeping.put(number) for number in (1, 2, 3)] == [True, True, False]
    assert [forgetting.put(number) for number in (1, 2, 3)] == [True, True, True]
    assert [keeping.take(0), keeping.take(0)] == [1, 2]
    assert [forgetting.take(0), forgetting.take(0)] == [2, 3]


def test_an_empty_inbox_times_out() -> None:
    with pytest.raises(TimeoutError):
        Inbox[int](2, forgets=False).take(0.01)


def test_a_closed_inbox_gives_what_it_has_and_lets_nobody_wait() -> None:
    inbox = Inbox[int](2, forgets=False)
    inbox.put(1)
    taken: list[int | None] = []
    taker = threading.Thread(target=lambda: taken.extend(inbox.take(None) for _ in range(3)))
    taker.start()
    inbox.close()
    taker.join(10)
    assert taken == [1, None, None]
