"""How long a look may be silent before it is asked anew. Pure: told how looks went."""

from dataclasses import dataclass
from typing import Any, Final

from .http import Answer

LEAST_QUIET_S: Final = 1.0
QUIET_FACTOR: Final = 4.0
"""A look of which nothing has come for so many times as long as the last one took, and for that second at least, is
given up and asked anew: its connection may have been cut without a word. The next one has twice as long."""


@dataclass(slots=True)
class Quiet:
    """The silences of one wait's looks. None is borne for longer than `most_s`."""

    most_s: float
    took_s: float = 0.0  # by the last look that was not held
    factor: float = 1.0

    @property
    def within_s(self) -> float:
        """For how many seconds the next look may be silent: who is slow is asked ever more seldom, and answers."""
        return min(self.most_s, self.factor * max(LEAST_QUIET_S, QUIET_FACTOR * self.took_s))

    def note(self, answer: Answer[Any]) -> None:
        """Take note of how one went."""
        if not answer.is_silent:
            self.factor = 1.0
        elif self.within_s < self.most_s:
            self.factor *= 2.0
