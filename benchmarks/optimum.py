"""The least mean delay that polling can have: by who knows the law of durations, at a given mean number of requests.

Minimises the expected delay plus a price for each request, backwards over a fine grid of times; the price at which the
requests come to the wanted number is found by bisection.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import Final

STEPS: Final = 1000
_BISECTIONS: Final = 18
_NOTHING: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Duration:
    """A law of duration: how probable it is that a job has ended by then, its quantiles, and a die for it."""

    name: str
    known_by: Callable[[float], float]
    quantile_s: Callable[[float], float]
    draw_s: Callable[[Random], float]
    longest_s: float
    """Hardly any job takes longer."""


_NORMAL: Final = NormalDist(math.log(10) - 0.125, 0.5)
UNIFORM: Final = Duration(
    "U(5,15)",
    known_by=lambda at_s: min(1.0, max(0.0, (at_s - 5) / 10)),
    quantile_s=lambda share: 5 + 10 * share,
    draw_s=lambda rng: rng.uniform(5, 15),
    longest_s=15.0,
)
LOGNORMAL: Final = Duration(
    "lognormal(10, 0.5)",
    known_by=lambda at_s: _NORMAL.cdf(math.log(at_s)) if at_s else 0.0,
    quantile_s=lambda share: math.exp(_NORMAL.inv_cdf(share)),
    draw_s=lambda rng: rng.lognormvariate(_NORMAL.mean, _NORMAL.stdev),
    longest_s=60.0,
)
KNOWN: Final = {
    UNIFORM: {1.5: 2.29, 2: 1.50, 3: 0.89, 5: 0.495},
    LOGNORMAL: {1.5: 3.62, 2: 2.28, 3: 1.35, 5: 0.757},
}
"""What was found before this project began: requests, and the least delay."""


class Optimum:
    """The best schedules for one law."""

    def __init__(self, law: Duration) -> None:
        self._step_s = law.longest_s / STEPS
        self._known = [law.known_by(at * self._step_s) for at in range(STEPS)] + [1.0]
        self._first = max(at for at in range(STEPS) if self._known[at] < _NOTHING)  # nobody looks before
        self._area = [0.0]  # under `known`, up to each time
        for before, after in zip(self._known, self._known[1:], strict=False):
            self._area.append(self._area[-1] + (before + after) / 2 * self._step_s)

    def delay_s(self, requests: float) -> float:
        """Return the least mean delay at a mean number of requests."""
        cheap, dear = 1e-3, 1e2
        for _ in range(_BISECTIONS):
            price = math.sqrt(cheap * dear)
            spent, _ = self._best(price)
            cheap, dear = (price, dear) if spent > requests else (cheap, price)
        # on a grid the requests come in steps: in proportion between the two next to the wanted number
        (more, less_s), (fewer, more_s) = self._best(cheap), self._best(dear)
        return less_s + (more_s - less_s) * (more - requests) / max(more - fewer, _NOTHING)

    def _best(self, price: float) -> tuple[float, float]:
        """Return the requests and the delay of the schedule that is best at a price."""
        known, area, step_s = self._known, self._area, self._step_s
        costs, requests, delays = ([0.0] * (STEPS + 1) for _ in range(3))
        best = STEPS
        for at in reversed(range(self._first, STEPS)):
            # the later one has looked, the later the best next look
            best = min(
                range(at + 1, best + 1),
                key=lambda then: area[then] - known[at] * (then - at) * step_s + costs[then],
            )
            delay_s = area[best] - area[at] - known[at] * (best - at) * step_s
            left = 1 - known[at]
            costs[at] = price * left + delay_s + costs[best]
            requests[at], delays[at] = left + requests[best], delay_s + delays[best]
        return requests[self._first], delays[self._first]
