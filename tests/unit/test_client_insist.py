from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from worlds import AWAY, QUEUED, World

from client import http
from client.driver import drive, finish
from client.http import Answer
from client.steps import Send
from client.waiting import insist
from contract.errors import (
    AuthenticationError,
    ServiceUnavailableError,
)

if TYPE_CHECKING:
    from contract.job import Job


def ask(world: World, patience_s: float = 30.0) -> Job:
    plan = insist(http.read_job("j1"), patience_s, 10.0, world.now_s, lambda: 0.999_999)
    return finish(drive(plan, world), None)


def test_a_request_is_sent_again_until_it_is_answered() -> None:
    world = World(AWAY, AWAY, QUEUED)
    assert ask(world) == QUEUED
    assert world.times(Send) == pytest.approx([0, 1, 3], rel=0.01)
    assert [step.is_retry for _, step in world.steps if isinstance(step, Send)] == [False, True, True]


def test_a_refused_request_is_not_sent_again() -> None:
    world = World(Answer(error=AuthenticationError()))
    with pytest.raises(AuthenticationError):
        ask(world)
    assert len(world.steps) == 1


def test_a_request_is_sent_once_more_when_patience_ends_and_then_raises_the_trouble() -> None:
    world = World(AWAY)
    with pytest.raises(ServiceUnavailableError):
        ask(world, patience_s=10)
    assert world.times(Send)[-1] == world.now_s == 10


def test_a_request_is_sent_again_no_sooner_than_the_service_asked() -> None:
    busy: Answer[Any] = Answer(error=ServiceUnavailableError(), is_passing=True, retry_after_s=6.0)
    world = World(busy, QUEUED)
    ask(world)
    assert world.times(Send) == [0, 6]
