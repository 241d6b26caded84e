"""How long a look may be silent before it is asked anew. Pure: told how looks went."""

from dataclasses import dataclass
from typing import Any, Final

from .http import Answer

LEAST_QUIET_S: Final = 1.0
QUIET_FACTOR: Final = 2.0
"""A look of which nothing has come for so many times as long as the last one took, and for that second at least, is
given up and asked anew: its connection may have been cut without a word. The least is doubled for the next one, and not
the whole: the last one may have been slow because all began in the same moment."""
MOST_DOUBLINGS: Final = 10


@dataclass(slots=True)
class Quiet:
    """The silences of one wait's looks. None is borne for longer than `most_s`."""

    most_s: float
    took_s: float = 0.0  # by the last look that was not held
    silences: int = 0  # in a row

    @property
    def within_s(self) -> float:
        """For how many seconds the next look may be silent: who is slow is asked ever more patiently, and answers."""
        least_s = LEAST_QUIET_S * 2.0 ** min(self.silences, MOST_DOUBLINGS)
        return min(self.most_s, max(least_s, QUIET_FACTOR * self.took_s))

    def note(self, answer: Answer[Any]) -> None:
        """Take note of how one went."""
        self.silences = self.silences + 1 if answer.is_silent else 0
