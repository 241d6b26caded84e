"""Counts what happens in this process, and hands that on once a second: from then on every process can tell it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import redis
import structlog

from store import census, measures, tally
from store.minutes import Minutes
from store.records import now_utc, to_ms
from store.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from store.feed import News
    from store.measures import Counts

PAUSE_S: Final = 1.0
log = structlog.get_logger()


class Meter:
    """The counts of one process. A process that is killed takes its last second of them with it."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Count something under a name that its measure has made."""
        self._counts[name] = self._counts.get(name, 0) + by

    def add(self, counts: Counts) -> None:
        """Count several things."""
        for name, by in counts.items():
            self.count(name, by)

    def take(self) -> dict[str, int]:
        """Return what was counted since this was asked last."""
        taken, self._counts = self._counts, {}
        return taken

    def known(self, road: str, finished_at: datetime | None) -> None:
        """Count that somebody was told of a job's end, by way of `road`."""
        if finished_at:
            self.add(measures.KNOWING.of((now_utc() - finished_at).total_seconds(), road))

    def told(self, road: str) -> Callable[[News], None]:
        """Return what counts news that are told by way of `road`."""
        return lambda news: self.known(road, news.finished_at)


class Reporter(Rounds):
    """Hands a meter's counts on every `pause_s` seconds, and says that this process lives, with so many `streams`.

    Once a minute it copies the counts, if no other process has.
    """

    def __init__(
        self, connection: redis.Redis, meter: Meter, streams: Callable[[], int], *, pause_s: float = PAUSE_S
    ) -> None:
        self._redis, self._meter, self._streams, self._pause_s = connection, meter, streams, pause_s
        super().__init__("reporter")
        self._name, self._minutes = uuid4().hex, Minutes(connection)

    def pause_s(self) -> float:
        """Return the seconds until the next turn."""
        return self._pause_s

    def stop(self) -> None:
        """End, with what was counted last handed on."""
        super().stop()
        try:
            self._hand_on()
            census.fall_silent(self._redis, self._name)
        except redis.RedisError as error:
            log.debug("counts_lost", error=str(error))

    def turn(self) -> None:
        """Hand on what there is. While Redis is away it is kept, and gathers."""
        try:
            began_s = monotonic()
            self._redis.ping()
            self._meter.add(measures.REDIS_ANSWER.of(monotonic() - began_s))
            census.speak_up(self._redis, self._name, to_ms(now_utc()), self._streams())
            self._hand_on()
            self._minutes.keep()
        except redis.RedisError as error:
            log.debug("counts_kept", error=str(error))
        except Exception:
            log.exception("counting_failed")

    def _hand_on(self) -> None:
        counts = self._meter.take()
        try:
            tally.add(self._redis, counts)
        except redis.RedisError:
            self._meter.add(counts)
            raise
