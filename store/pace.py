"""How fast clients may ask: counted in Redis for all processes together, a few requests at a time.

A process takes some of a client's requests before it uses them, so all processes together let through no more than the
rate allows, and most requests cost no round trip. What is left over when a slot of time ends is given back with the
next ones that are taken.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Final

import redis

from contract.limits import Rate, to_text

from . import keys
from .records import now_utc, to_ms

_FOLDER: Final = Path(__file__).parent
SLOTS: Final = (_FOLDER / "slots.lua").read_text("utf-8")
PACE: Final = SLOTS + (_FOLDER / "pace.lua").read_text("utf-8")
RELIED_MS: Final = 1000
"""So long a process relies on being told that there is no limit, or nothing left."""
MOST_KNOWN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands after one request more: how many are `left`, and in how many seconds there will be more.

    `is_over`: there was none left for this one.
    """

    rate: Rate
    left: int
    again_s: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """What pace.lua returns: `given` of the `left` and given ones may be used until the slot is over. Times in ms."""

    most: int
    window_ms: int
    given: int
    left: int
    again_ms: int
    slot_at_ms: int
    slot_end_ms: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What a process asks for: how many requests, and that it gives back `spare` ones of a slot (ms)."""

    count: int = 1
    slot_at_ms: int = 0
    spare: int = 0


class Purse:
    """The requests of one client that one process has taken. Pure: it is told the time (ms).

    One at a time may ask for more, so there is a `lock`; `failed` is how often that went wrong, `error` what went wrong
    last.
    """

    __slots__ = ("_asked_ms", "_grant", "_left", "_relied_until_ms", "_used", "error", "failed", "lock")

    def __init__(self) -> None:
        self._grant: Grant | None = None  # there is no limit
        self._left = self._used = 0
        self._asked_ms = self._relied_until_ms = 0
        self.lock = threading.Lock()
        self.failed = 0
        self.error: redis.RedisError | None = None

    def needs_more(self, now_ms: int) -> bool:
        """Whether Redis has to be asked before the next request."""
        if not self._asked_ms <= now_ms < self._relied_until_ms:
            return True
        return self._grant is not None and self._grant.given > 0 and not self._left

    def wish(self, now_ms: int) -> Wish:
        """Return what to ask for: as many as were used of the last ones, twice as many if these have not lasted."""
        if self._grant is None:
            return Wish()
        has_lasted = now_ms >= self._grant.slot_end_ms
        return Wish(max(1, self._used if has_lasted else 2 * self._used), self._grant.slot_at_ms, self._left)

    def fill(self, grant: Grant | None, now_ms: int) -> None:
        """Have what was given; None: there is no limit."""
        self._grant, self._asked_ms, self._used = grant, now_ms, 0
        self._left = grant.given if grant else 0
        lasts = grant is not None and grant.given > 0
        self._relied_until_ms = grant.slot_end_ms if grant and lasts else now_ms + RELIED_MS
        if grant and not lasts:
            self._relied_until_ms = min(self._relied_until_ms, now_ms + grant.again_ms)

    def spend(self, now_ms: int) -> Standing | None:
        """Let a request through if there is one left for it; None: there is no limit."""
        if self._grant is None:
            return None
        is_over = not self._left
        if not is_over:
            self._left, self._used = self._left - 1, self._used + 1
        again_ms = self._grant.again_ms - (now_ms - self._asked_ms)
        rate = Rate(self._grant.most, self._grant.window_ms // 1000)
        return Standing(rate, self._left + self._grant.left, max(1, ceil(again_ms / 1000)), is_over)


class Pace:
    """Counts the requests of all clients. `clock` returns aware UTC times."""

    def __init__(self, connection: redis.Redis, clock: Callable[[], datetime] = now_utc) -> None:
        self._clock = clock
        self._script = connection.register_script(PACE)
        self._purses: dict[str, Purse] = {}

    def count(self, client_id: str, rate: Rate | None) -> Standing | None:
        """Count one request of a client, who has this rate unless it has its own; None: it has no limit.

        Redis' own errors pass through.
        """
        purse = self._purses.get(client_id) or self._open(client_id)
        failed_before = purse.failed
        with purse.lock:
            if purse.failed != failed_before and purse.error:
                raise purse.error  # who waited for the same answer need not wait for another
            now_ms = to_ms(self._clock())
            if purse.needs_more(now_ms):
                try:
                    grant = self._ask(client_id, rate, purse.wish(now_ms), now_ms)
                except redis.RedisError as error:
                    purse.failed, purse.error = purse.failed + 1, error
                    raise
                purse.fill(grant, now_ms)
            return purse.spend(now_ms)

    def _open(self, client_id: str) -> Purse:
        if len(self._purses) >= MOST_KNOWN:
            self._purses = {}  # what is left in them counts as used
        return self._purses.setdefault(client_id, Purse())

    def _ask(self, client_id: str, rate: Rate | None, wish: Wish, now_ms: int) -> Grant | None:
        found: list[int] | None = self._script(
            keys=[keys.pace(client_id), keys.limits(client_id)],
            args=[now_ms, to_text(rate), wish.count, wish.slot_at_ms, wish.spare],
        )
        return Grant(*found) if found else None
