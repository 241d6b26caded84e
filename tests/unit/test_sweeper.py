"""The thread that takes turns at the sweep."""

from __future__ import annotations

import logging
import threading
from typing import cast

import redis

from store.sweep import Found, Sweep
from store.sweeper import Sweeper
from worker.logs import Log


class Turns:
    """A sweep whose turns end as told; it says when the last one has begun."""

    def __init__(self, *ends: Exception | list[Found] | None, left_work: bool = False) -> None:
        self._ends = list(ends)
        self.over = threading.Event()
        self.left_work = left_work

    def turn(self) -> list[Found] | None:
        end = self._ends.pop(0) if self._ends else None
        if not self._ends:
            self.over.set()
        if isinstance(end, Exception):
            raise end
        return end


def sweeper(turns: Turns, *, pause_s: float) -> Sweeper:
    return Sweeper(cast("Sweep", turns), Log(logging.getLogger("tests.sweeper")), pause_s=pause_s)


def test_no_error_ends_the_sweeping() -> None:
    turns = Turns(redis.ConnectionError("gone"), ValueError("a fault"), [Found("lost", "j1")])
    for _ in range(3):
        sweeper(turns, pause_s=1).turn()
    assert turns.over.is_set()


def test_the_thread_sweeps_until_it_is_stopped() -> None:
    turns = Turns(None)
    thread = sweeper(turns, pause_s=0.001)
    thread.start()
    assert turns.over.wait(10)
    thread.stop()


def test_a_turn_that_leaves_work_is_followed_at_once() -> None:
    turns = Turns(None, None, left_work=True)
    thread = sweeper(turns, pause_s=600)
    thread.start()
    assert turns.over.wait(10)
    thread.stop()
