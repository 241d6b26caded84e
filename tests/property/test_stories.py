"""Whatever is told late, lost, or read in between: a reader hears each thing once, in order, and the end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import redis
from hypothesis import example, given
from hypothesis import strategies as st

from api.stories import ClientStory, JobStory
from api.streams import event, tell
from contract.errors import JobNotFoundError
from store.feed import START, News, place
from store.hub import BOUND, Hub, Waiter, Word
from store.standing import Stands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACTS = st.sampled_from(["read", "write", "deliver", "lose the line", "line is back", "reading fails", "reading works"])
OUTAGE = ["read", "lose the line", "write", "line is back", "reading fails", "read"]
"""The end is written while the line is lost, and the first look after that fails."""
CHANNEL = b"dubq:events:default:j1"


def a_change(seq: int, last: int) -> News:
    done = b"true" if seq == last else b"false"
    return News.kept(f"{seq}-0", b'{"job_id":"j1","seq":%d,"done":%s}' % (seq, done))


@dataclass
class World:
    """A Redis that writes at once, and a line from it that delivers late, or not at all while it is lost."""

    last: int
    hub: Hub = field(default_factory=Hub)
    written: list[News] = field(default_factory=list)
    under_way: list[News] = field(default_factory=list)
    is_up: bool = True
    can_read: bool = True

    def act(self, act: str) -> None:
        match act:
            case "write" if len(self.written) < self.last:
                self.written.append(a_change(len(self.written) + 1, self.last))
                if self.is_up:
                    self.under_way.append(self.written[-1])
            case "deliver" if self.under_way:
                news = self.under_way.pop(0)
                self.hub.tell(CHANNEL, news.document[:-1] + b',"feed_id":"%s"}' % news.feed_id.encode())
            case "lose the line":
                self.is_up = False
                self.under_way.clear()
            case "line is back" if not self.is_up and self.can_read:
                self.is_up = True
                newest = self.written[-1] if self.written else None
                self.hub.tell_standing("default", "j1", Stands(seq=newest.seq if newest else 0))
                self.hub.tell_standing("default", "", Stands(feed_id=newest.feed_id if newest else START))
            case "reading fails" | "reading works":
                self.can_read = act == "reading works"

    def look(self) -> News:
        if not self.can_read:
            raise redis.ConnectionError
        if not self.written:
            raise JobNotFoundError
        return self.written[-1]

    def since(self, at: str) -> Iterator[News]:
        if not self.can_read:
            raise redis.ConnectionError
        return iter([each for each in self.written if place(each.feed_id) > place(at)])

    def settle(self) -> None:
        """From here on all is well, and everything is written."""
        for act in ("reading works", "line is back", *["write"] * self.last):
            self.act(act)
        while self.under_way:
            self.act("deliver")


@dataclass
class Impatient:
    """A waiter in whose world no time passes."""

    waiter: Waiter

    def next(self, _: float) -> Word:
        return self.waiter.next(0)


def told_by(world: World, parts: Iterator[bytes], acts: list[str], is_enough: Callable[[list[int]], bool]) -> list[int]:
    """Let the world act and the reader read, in this order, until all is well and the reader knows enough."""
    told: list[int] = []

    def read() -> bool:
        part = next(parts, None)
        if part and b"data: " in part:
            told.append(json.loads(part.split(b"data: ")[1])["seq"])
        return part is not None

    for act in acts:
        world.act(act) if act != "read" else read()
    world.settle()
    for _ in range(5 * (len(acts) + BOUND)):
        if is_enough(told) or not read():
            return told
    raise AssertionError(f"the reader still waits, after {told}")


@example(last=2, before=[], acts=OUTAGE)
@given(last=st.integers(1, 6), before=st.lists(ACTS), acts=st.lists(ACTS, max_size=40))
def test_the_reader_of_one_job_hears_its_changes_once_in_order_and_never_misses_the_end(
    last: int, before: list[str], acts: list[str]
) -> None:
    world = World(last)
    world.act("write")
    with world.hub.join("default", "j1") as waiter:
        for act in before:
            world.act(act)
        now = world.written[-1]
        parts = tell(Impatient(waiter), JobStory(world.look, now.seq, is_over=now.done), event(now), pace=lambda: 15.0)
        told = told_by(world, parts, acts, lambda _: False)
    assert told[0] == now.seq
    assert told == sorted(set(told))
    assert told[-1] == last


@example(last=1, start=0, before=[], acts=["read", *OUTAGE])
@given(last=st.integers(0, 6), start=st.integers(0, 6), before=st.lists(ACTS), acts=st.lists(ACTS, max_size=40))
def test_the_reader_of_all_jobs_hears_every_change_once_and_in_order(
    last: int, start: int, before: list[str], acts: list[str]
) -> None:
    world = World(last)
    with world.hub.join("default") as waiter:
        for act in before:
            world.act(act)
        start = min(start, len(world.written))
        parts = tell(Impatient(waiter), ClientStory(world.since, f"{start}-0"), b"", is_behind=True, pace=lambda: 15.0)
        told = told_by(world, parts, acts, lambda told: len(told) == last - start)
    assert told == list(range(start + 1, last + 1))
