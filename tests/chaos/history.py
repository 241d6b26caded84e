"""Reads all that the service has told of its jobs, and holds it against what is promised."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from contract.job import Priority
from contract.states import NEXT, State
from store import feed, keys
from store.records import fetch

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis

    from contract.job import Job


@dataclass(frozen=True, slots=True)
class Told:
    """What a whole history says, all of it checked."""

    changes: int
    ends: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    losses: int = 0

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {state}" for state, count in sorted(self.ends.items()))
        attempts = ", ".join(f"{count} at attempt {attempt}" for attempt, count in sorted(self.attempts.items()))
        return "\n".join(
            (
                f"{self.ends.total()} jobs, {self.changes} changes: {ends}; {attempts}; {self.losses} workers lost",
                "each job: accepted once, ended once, and ended last; seq without a gap; every move legal;",
                "  attempts one by one, progress never falling within one; the record is what the feed said last",
                "afterwards: nobody runs, waits or is missed, and RQ's queue is empty",
            )
        )


def check(connection: redis.Redis, job_ids: Iterable[str], client_id: str = "default") -> Told:
    """Read the feed, the records and the indexes; fail at the first promise that was not kept."""
    stories: dict[str, list[Job]] = defaultdict(list)
    for entry in feed.read(connection, client_id, count=1_000_000):
        stories[entry.job.job_id].append(entry.job)
    assert set(stories) == set(job_ids), "a job was lost, or made that nobody asked for"
    for story in stories.values():
        check_story(story)
    records = [record for record in fetch(connection, list(stories)) if record]
    assert {record.job.job_id: (record.job.seq, record.job.state) for record in records} == {
        job_id: (story[-1].seq, story[-1].state) for job_id, story in stories.items()
    }
    for index in (keys.QUEUED, keys.RUNNING, keys.DUE, keys.STRAYS, *map(keys.waiting, Priority)):
        assert connection.zcard(index) == 0, index
    assert connection.llen("rq:queue:default") == 0
    lasts = [story[-1] for story in stories.values()]
    return Told(
        changes=sum(map(len, stories.values())),
        ends=Counter(job.state.value for job in lasts),
        attempts=Counter(job.attempt for job in lasts),
        losses=sum(record.losses for record in records),
    )


def check_story(story: list[Job]) -> None:
    """Check one job's changes, in the order in which they were told."""
    assert [job.seq for job in story] == list(range(1, len(story) + 1)), story
    assert (story[0].state, story[0].attempt) == (State.QUEUED, 1), story
    assert [job.done for job in story] == [False] * (len(story) - 1) + [True], story
    for old, new in pairwise(story):
        assert isinstance(old.state, State)
        assert new.state in NEXT[old.state], story
        again = old.state is State.RUNNING and new.state is State.QUEUED
        assert new.attempt == old.attempt + again, story
        assert again or new.progress >= old.progress, story
        assert new.attempt <= new.max_attempts, story
