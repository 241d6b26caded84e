"""The two drivers of plans, over a world that is all in memory, and a third one on its virtual clock."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from client import aio_driver, driver, http
from client.http import Answer
from client.memory import Memory
from client.metrics import Metrics
from client.steps import Line, Plan, Reply, Send, Step
from contract.errors import DubqError
from contract.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from client.ladder import Road
    from client.switchboard import Signal

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ROADS = http.Roads(client_id="acme", redis_url="redis://r", has_events=True)
NO_ROADS = http.Roads(client_id="acme", redis_url=None, has_events=False)


class World(Protocol):
    """What may happen to a plan: answers, pushes and the passing of time. Called with a step, it is a driver itself."""

    now_s: float

    @property
    def job_ids(self) -> list[str]: ...
    def send(self, step: Send[Any]) -> Answer[Any]: ...
    def pause(self, seconds: float) -> None: ...
    def subscribe(self, road: Road, within_s: float) -> Line: ...
    def listen(self, seconds: float) -> Job | Signal | None: ...
    def tell(self, news: Job) -> None: ...
    def __call__(self, step: Step) -> Reply: ...


class Means:
    """What the blocking driver performs with, all of it the world."""

    def __init__(self, world: World) -> None:
        self.world, self.metrics, self.closed = world, Metrics(), threading.Event()
        self.dispatch = self.events = self.listener = self.way = self
        self.memory = Memory()
        self.send, self.pause, self.now = world.send, world.pause, lambda: BEGAN
        self.line = Line.UP

    def clock(self) -> float:
        return self.world.now_s

    def find(self, road: Road, within_s: float) -> Answer[http.Roads]:
        """The subscription happens here, for without a road nobody joins."""
        before_s = self.world.now_s
        self.line = self.world.subscribe(road, within_s)
        self.joined_s, self.world.now_s = self.world.now_s, before_s
        return Answer(value=NO_ROADS if self.line is Line.NONE else ROADS)

    def join(self, _url: str, _channels: Sequence[str], _within_s: float, _left_s: float) -> Means | None:
        self.world.now_s = self.joined_s
        return self if self.line is Line.UP else None

    def open(self, _job_ids: Sequence[str], _within_s: float) -> tuple[Answer[Any], Line, Means | None]:
        self.world.now_s = self.joined_s
        is_up = self.line is Line.UP
        return Answer(is_away=not is_up), self.line, self if is_up else None

    def take(self, seconds: float) -> bytes | Signal | None:
        news = self.world.listen(seconds)
        return json.dumps(news.to_wire()).encode() if isinstance(news, Job) else news

    def leave(self) -> None:
        pass


class AsyncMeans(Means):
    """The same, awaited."""

    def __getattribute__(self, name: str) -> Any:
        member = super().__getattribute__(name)
        if name not in {"send", "find", "join", "open", "take", "pause"}:
            return member

        async def call(*args: Any) -> Any:
            return member(*args)

        return call


Made: TypeAlias = "Callable[[World], Plan[Any]]"


def outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except DubqError as error:
        return (type(error), str(error), error.job_id, error.job)


def virtually(world: World, make: Made) -> Any:
    return outcome(lambda: driver.finish(driver.drive(make(world), world), world.tell))


def blocking(world: World, make: Made) -> Any:
    perform = driver.Performer(Means(world), world.job_ids)
    return outcome(lambda: driver.finish(driver.drive(make(world), perform), world.tell))


def awaited(world: World, make: Made) -> Any:
    async def act() -> Any:
        running = aio_driver.run(make(world), AsyncMeans(world), world.job_ids)
        return await aio_driver.finish(running, world.tell)

    return outcome(lambda: asyncio.run(act()))
