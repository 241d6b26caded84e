"""Which road to be told by, and when to try the next: pure, told how things went and what time it is.

The best road is tried first. One that fails leaves the turn to the next, and is tried again: soon while there is no
other, ever more seldom while there is. Below all of them lies asking, which is no matter of this module.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.backoff import Backoff


class Road(StrEnum):
    """A way to hear of a job's end, best first."""

    REDIS = "redis"
    SSE = "sse"
    LONG_POLL = "long_poll"


ROADS: Final = tuple(Road)
LINES: Final = (Road.REDIS, Road.SSE)
"""Those on which news come by themselves, over a connection that stays."""

KNOCK_S: Final = 1.0
"""While nobody answers and there is nothing else, one knock in so long and at most half as long again: who comes back
is found within two seconds."""
RETRIES: Final = Backoff()
"""Where somebody answers that it cannot be done now: he is not to be pressed."""
CLIMBS: Final = Backoff(first_s=2.0, cap_s=60.0)
"""While a lower road does."""
FLAPS: Final = Backoff(first_s=0.5)
"""After a line was lost, and lost again, before it had been up for `STEADY_S`."""
STEADY_S: Final = 5.0
FLAPPING: Final = 2
"""A line that was lost so often in a row is no better than one that cannot be had."""


@dataclass(slots=True)
class _Rung:
    road: Road
    failures: int = 0  # attempts since it was last up
    failed_s: float = -math.inf
    was_answered: bool = False
    chance: float = 0.0
    flaps: int = 0
    up_s: float = 0.0
    rest_until_s: float = -math.inf  # before then it is not tried, whatever else

    def due_s(self, *, has_lower: bool) -> float:
        """When to try it next."""
        if not self.failures:
            return self.rest_until_s
        if not has_lower and not self.was_answered:
            pause_s = KNOCK_S * (1 + self.chance / 2)
        else:
            pause_s = (CLIMBS if has_lower else RETRIES).pause_s(self.failures, self.chance)
        return max(self.failed_s + pause_s, self.rest_until_s)


class Ladder:
    """The lines of one wait. `chance` gives a number in [0, 1)."""

    def __init__(self, roads: Iterable[Road], chance: Callable[[], float]) -> None:
        self._rungs = [_Rung(road) for road in LINES if road in roads]
        self._chance = chance
        self.line: Road | None = None

    def to_try(self, now_s: float) -> Road | None:
        """Return the best road that should be tried now, if any is better than what there is."""
        return next((rung.road for rung, due_s in self._waiting() if due_s <= now_s), None)

    def next_try_s(self) -> float:
        """Return when `to_try` will have something to say; infinity if never."""
        return min((due_s for _, due_s in self._waiting()), default=math.inf)

    def is_up(self, road: Road, now_s: float) -> None:
        """Take note that news come by `road` from now on."""
        rung = self._rung(road)
        rung.failures, rung.up_s, self.line = 0, now_s, road

    def is_down(self, road: Road, now_s: float, *, was_answered: bool, rest_s: float = 0.0) -> None:
        """Take note that it cannot be had for now; `rest_s` is how long the service wants not to be asked again."""
        rung = self._rung(road)
        rung.failures, rung.failed_s, rung.chance = rung.failures + 1, now_s, self._chance()
        rung.was_answered, rung.rest_until_s = was_answered, now_s + rest_s

    def is_closed(self, road: Road) -> None:
        """Take note that it can never be had."""
        self._rungs = [rung for rung in self._rungs if rung.road is not road]

    def is_lost(self, now_s: float) -> None:
        """Take note that the line there was is no more. All who lose it at once do not come back at once."""
        if self.line is None:
            return
        rung, self.line = self._rung(self.line), None
        rung.flaps = 1 if now_s - rung.up_s >= STEADY_S else rung.flaps + 1
        rung.rest_until_s = now_s + FLAPS.pause_s(rung.flaps, self._chance())

    def _rung(self, road: Road) -> _Rung:
        return next(rung for rung in self._rungs if rung.road is road)

    def _waiting(self) -> list[tuple[_Rung, float]]:
        """Return the rungs above the present one whose turn it may be, and when each is due.

        A line that was just lost may be back in a moment: what lies below it is not tried before that has been seen.
        """
        found: list[tuple[_Rung, float]] = []
        for rung in self._rungs:
            if rung.road is self.line:
                break
            found.append((rung, rung.due_s(has_lower=self.line is not None)))
            if not rung.failures and rung.flaps < FLAPPING:
                break
        return found
