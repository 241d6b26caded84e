"""The health of a line to Redis, on a clock that the tests set."""

from __future__ import annotations

import pytest

from client.pulse import DOUBTED_AFTER, LOST_AFTER
from client.switchboard import PING_S, News, Signal, Switchboard


class Mailbox:
    def __init__(self, *channels: str) -> None:
        self.channels = tuple(each.encode() for each in channels)
        self.news: list[News] = []

    def put(self, news: News) -> None:
        self.news.append(news)


def told(board: Switchboard, channel: str, at_s: float) -> Mailbox:
    """Return the mailbox of somebody whose subscription stands."""
    mailbox = Mailbox(channel)
    board.admit(mailbox)
    board.hear([b"subscribe", channel.encode(), 1], at_s)
    return mailbox


def test_a_silent_line_is_pinged_once_in_each_while() -> None:
    board = Switchboard(0.0)
    assert board.check_health(PING_S / 2) == ([], PING_S / 2)
    assert board.check_health(PING_S) == ([("PING",)], PING_S)
    assert board.check_health(PING_S * 1.5)[0] == []


def test_whatever_is_heard_is_a_sign_of_life() -> None:
    board = Switchboard(0.0)
    for second in range(1, 100):
        board.check_health(float(second))
        board.hear([b"pong", b""], second + 0.01)


def test_a_line_that_should_have_answered_is_doubted_each_time_that_it_should_have_and_then_lost() -> None:
    board = Switchboard(0.0)
    mailbox = told(board, "a", 0.0)
    for at_s in (PING_S, DOUBTED_AFTER * PING_S, DOUBTED_AFTER * PING_S + 0.1, DOUBTED_AFTER * PING_S + 1.0):
        _, patience_s = board.check_health(at_s)
        assert patience_s > 0
    assert mailbox.news == [Signal.UP, Signal.QUIET, Signal.QUIET]
    with pytest.raises(TimeoutError):
        board.check_health(LOST_AFTER * PING_S)


def test_who_asks_late_does_not_doubt_at_once() -> None:
    board = Switchboard(0.0)
    mailbox = told(board, "a", 1.0)
    asleep_s = 60.0  # so long nobody has looked after the line
    assert board.check_health(asleep_s) == ([("PING",)], PING_S)
    board.check_health(asleep_s + PING_S * 0.9)
    assert mailbox.news == [Signal.UP]
    board.check_health(asleep_s + PING_S)
    assert mailbox.news == [Signal.UP, Signal.QUIET]
    with pytest.raises(TimeoutError):
        board.check_health(asleep_s + (LOST_AFTER - 1) * PING_S)


def test_who_is_not_yet_subscribed_is_told_of_a_doubt_too() -> None:
    board, waiting = Switchboard(0.0), Mailbox("b")
    listening = told(board, "a", 0.0)
    board.admit(waiting)
    board.check_health(PING_S)
    board.check_health(DOUBTED_AFTER * PING_S)
    assert (listening.news, waiting.news) == ([Signal.UP, Signal.QUIET], [Signal.QUIET])
