"""A client's simulated time, as a line through real time that was bent now and then. Pure.

Times are Unix seconds. A client that never touched its clock lives in real time.
"""

import json
import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Final, Self

SLOWEST: Final = 0.001
FASTEST: Final = 100_000.0
LONGEST_S: Final = 366 * 86_400.0
"""So far a clock can be advanced at once."""
MOST_TURNS: Final = 500


@dataclass(frozen=True, slots=True)
class Turn:
    """From the real time `real_s` on the clock, which then showed `shown_s`, goes `speed` times as fast; 0: not."""

    real_s: float
    shown_s: float
    speed: float


@dataclass(frozen=True, slots=True)
class Clock:
    """What a client has made of its time: its turns, oldest first."""

    turns: tuple[Turn, ...] = ()

    @property
    def speed(self) -> float:
        """How fast it goes; 0 while it is frozen."""
        return self.turns[-1].speed if self.turns else 1.0

    @property
    def is_touched(self) -> bool:
        """Whether it ever was anything but real time."""
        return bool(self.turns)

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still, until somebody moves it."""
        return self.speed == 0

    def now_s(self, real_s: float) -> float:
        """Return what it shows at a real time that is not before the last turn; it never goes back for one that is."""
        if not self.turns:
            return real_s
        last = self.turns[-1]
        return last.shown_s + max(0.0, real_s - last.real_s) * last.speed

    def at_s(self, real_s: float) -> float:
        """Return what it showed at a real time of the past: at the very moment of a turn, what was before it."""
        at = bisect_left(self.turns, real_s, key=lambda turn: turn.real_s)
        if at:
            return Clock(self.turns[:at]).now_s(real_s)
        # real before the first turn; but where that is forgotten, never later than what is known
        return min(real_s, self.turns[0].shown_s) if self.turns else real_s

    def left_s(self, shown_s: float, real_s: float) -> float:
        """Return for how many real seconds, from `real_s` on, it does not yet show `shown_s`: infinity if frozen."""
        ahead_s = shown_s - self.now_s(real_s)
        if ahead_s <= 0:
            return 0.0
        return math.inf if self.is_frozen else ahead_s / self.speed

    def run(self, real_s: float, speed: float) -> Self:
        """Let it go `speed` times as fast as real time from now on; 0 freezes it."""
        return self._turn(real_s, self.now_s(real_s), speed)

    def advance(self, real_s: float, seconds: float) -> Self:
        """Put it forward."""
        return self._turn(real_s, self.now_s(real_s) + seconds, self.speed)

    def _turn(self, real_s: float, shown_s: float, speed: float) -> Self:
        turns = (*self.turns, Turn(real_s, shown_s, speed))
        return type(self)(turns[-MOST_TURNS:])

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps([[turn.real_s, turn.shown_s, turn.speed] for turn in self.turns])

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read it. Raises ValueError or TypeError where it is none."""
        return cls(tuple(Turn(*map(float, turn)) for turn in json.loads(text)))
