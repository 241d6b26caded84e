"""How long things took, in a few hundred numbers however many there were: pure."""

import math
from collections import Counter
from typing import Final

STEP: Final = 1.05
"""Each bin ends at so many times where it begins, so a quantile is off by 2.5 % at most."""

SHORTEST_S: Final = 1e-6
LONGEST_S: Final = 1e6
"""Beyond these, which are 567 bins apart, nothing is told apart any more."""


class Histogram:
    """Durations in seconds: their number, their mean, exactly, and their quantiles, nearly."""

    def __init__(self) -> None:
        self._bins: Counter[int] = Counter()
        self._sum_s = 0.0
        self._least_s, self._most_s = math.inf, -math.inf
        self.count = 0

    def add(self, seconds: float) -> None:
        """Take note of one. What is negative, as between two clocks that differ, counts as the shortest."""
        self.count += 1
        self._sum_s += seconds
        self._least_s, self._most_s = min(self._least_s, seconds), max(self._most_s, seconds)
        self._bins[_bin(seconds)] += 1

    @property
    def mean_s(self) -> float:
        """The mean; 0.0 of none."""
        return self._sum_s / self.count if self.count else 0.0

    def quantile_s(self, share: float) -> float:
        """Return what `share` (0 to 1) of all were not longer than; 0.0 of none."""
        rank, seen = max(1, math.ceil(share * self.count)), 0
        for number in sorted(self._bins):
            seen += self._bins[number]
            if seen >= rank:
                middle_s: float = STEP ** (number + 0.5)
                return min(max(middle_s, self._least_s), self._most_s)
        return 0.0


def _bin(seconds: float) -> int:
    return math.floor(math.log(min(max(seconds, SHORTEST_S), LONGEST_S), STEP))
