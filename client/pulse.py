"""How long a line may be silent before it is doubted, and before it is given up. Pure: told what is heard and when."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

DOUBTED_AFTER: Final = 2.0
LOST_AFTER: Final = 4.0
"""So many times what should pass at most between two signs of life."""


class Beat(Enum):
    """What the silence of a line comes to."""

    STEADY = auto()
    DOUBTFUL = auto()  # it should have said something by now: once for each span that it is late
    LOST = auto()


@dataclass(slots=True)
class Pulse:
    """One line's signs of life. A living one is heard of every `every_s`; in a doubt it is looked at by another road.

    Giving it up takes longer than doubting it: who is slow for a moment is not to be rid of all that listen to him.
    """

    heard_s: float
    every_s: float
    doubts: int = 0  # in this silence

    def hear(self, at_s: float) -> None:
        """Take note of a sign of life."""
        self.heard_s, self.doubts = at_s, 0

    def excuse(self, late_s: float) -> None:
        """Leave so much of the silence out of account: who is asked late may answer late."""
        self.heard_s += late_s

    def feel(self, at_s: float) -> Beat:
        """Return what the silence comes to now."""
        silent_s = at_s - self.heard_s
        if silent_s >= LOST_AFTER * self.every_s:
            return Beat.LOST
        if silent_s >= (DOUBTED_AFTER + self.doubts) * self.every_s:
            self.doubts += 1
            return Beat.DOUBTFUL
        return Beat.STEADY

    def due_s(self) -> float:
        """Return when `feel` will have something to say if nothing is heard until then."""
        return self.heard_s + min(LOST_AFTER, DOUBTED_AFTER + self.doubts) * self.every_s
