"""The counts as they were at the beginning of each of the last minutes, with how the service stood then.

Once a minute somebody copies them: what happened in between is the difference, so nothing is counted twice.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias, cast

import redis
from redis.client import Pipeline

from . import census, keys, tally
from .census import Census
from .records import now_utc, to_ms

MINUTE_MS: Final = 60_000
KEPT_S: Final = 90 * 60

Found: TypeAlias = Mapping[str, int]
"""Counts by their names, and what was measured by the names of `measured`."""


def measured(standing: Census) -> Found:
    """Return what of a census is kept, minute by minute."""
    queued = {f"queued:{priority}": count for priority, count in standing.queued.items()}
    return {**queued, "running": standing.running, "workers": standing.workers, "slots": standing.slots}


class Minutes:
    """Copies the counts, and reads the copies. `clock` returns aware UTC times; minutes are counted from the epoch."""

    def __init__(self, connection: redis.Redis, clock: Callable[[], datetime] = now_utc) -> None:
        self._redis, self._clock = connection, clock
        self._copied = 0
        self._known: dict[int, Found] = {}  # nothing changes any more of what is copied

    @property
    def now(self) -> int:
        """The present minute."""
        return to_ms(self._clock()) // MINUTE_MS

    def keep(self) -> None:
        """Copy the counts, unless somebody has done so in this minute. To be called every second or so."""
        minute = self.now
        if minute == self._copied:
            return
        if not self._redis.exists(keys.minute(minute)):
            self._copy(keys.minute(minute))
        self._copied = minute

    def read(self, minutes: Iterable[int]) -> list[Found | None]:
        """Return what each minute found, None where nobody has copied it."""
        wanted = list(minutes)
        known = {minute: self._known[minute] for minute in wanted if minute in self._known}
        missing = [minute for minute in wanted if minute not in known]
        with self._redis.pipeline(transaction=False) as pipe:
            for minute in missing:
                pipe.hgetall(keys.minute(minute))
            found = zip(missing, pipe.execute() if missing else [], strict=True)
        self._known = known | {minute: _found(held) for minute, held in found if held}
        return [self._known.get(minute) for minute in wanted]

    def _copy(self, key: str) -> None:
        standing = measured(census.take(self._redis, to_ms(self._clock())))

        def write(pipe: Pipeline) -> None:
            if pipe.exists(key):
                return
            facts = {**tally.read(self._redis), **standing}
            pipe.multi()
            pipe.hset(key, mapping=facts)  # type: ignore[arg-type]  # a dict of str and int is one of values
            pipe.expire(key, KEPT_S)

        self._redis.transaction(write, key)


def _found(held: object) -> Found:
    return {name.decode(): int(value) for name, value in cast("dict[bytes, bytes]", held).items()}
