"""When to look at a job again, given when it is expected to end: the least delay for what the requests cost.

The service tells three quantiles. They are read as a generalised Pareto law, the family with three parameters that
holds uniform and exponential laws, and all between them and beyond; it is closed under growing older, so an `eta`
that is some time old serves as well as a new one. Source: Balkema and de Haan, Residual life time at great age, 1974.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

from contract.backoff import Backoff
from contract.job import Eta, Job

PRICE: Final = 0.06
"""What a request is worth, as a share of the time within which eight jobs of ten end: some 2.5 requests a job."""
LEAST_PRICE_S: Final = 0.05
LEAST_S: Final = 0.5
"""No pause is shorter, whatever anybody expects."""
FREE_POLLS: Final = 8
"""From here on the shortest pause doubles: whoever has looked so often has been told wrong."""
LONGEST_S: Final = 300.0
"""No pause is longer, either: an expectation is no promise."""
JITTER: Final = 0.1
"""Pauses grow by up to this share. Never shorter: a look that comes too early is lost, one too late is only late."""

_BLUR_S: Final = 0.05
"""Quantiles that are closer to each other are taken to be so far apart."""
_FARTHEST_S: Final = 1e9
_SHAPES: Final = (-3.0, 1.0)
_NIL: Final = 1e-9
_POINTS: Final = 64
_LAST: Final = 0.999


@dataclass(frozen=True, slots=True)
class Remaining:
    """The law of the seconds that are left: generalised Pareto, from `start_s` on."""

    start_s: float
    scale_s: float
    shape: float  # -1 is uniform, 0 exponential; below 0 the law has an end

    @classmethod
    def of(cls, eta: Eta | None) -> Self | None:
        """Return the law that has these quantiles; None where they are none that a job can have."""
        if eta is None or not all(isinstance(each, int | float) for each in (eta.p10_s, eta.p50_s, eta.p90_s)):
            return None
        if not 0 <= eta.p10_s <= eta.p50_s <= eta.p90_s <= _FARTHEST_S:  # NaN is neither
            return None
        p10_s, p50_s = float(eta.p10_s), max(eta.p50_s, eta.p10_s + _BLUR_S)
        p90_s = max(eta.p90_s, p50_s + _BLUR_S)
        shape = _shape((p90_s - p50_s) / (p50_s - p10_s))
        scale_s = (p90_s - p10_s) / (_unit(0.9, shape) - _unit(0.1, shape))
        return cls(p10_s - scale_s * _unit(0.1, shape), scale_s, shape)

    def after(self, age_s: float) -> Self | None:
        """Return what is left of it when so much time has passed; None if it should have been over by now."""
        if age_s <= self.start_s:
            return type(self)(self.start_s - age_s, self.scale_s, self.shape)
        scale_s = self.scale_s + self.shape * (age_s - self.start_s)
        return type(self)(0.0, scale_s, self.shape) if scale_s > 0 else None

    def quantile_s(self, share: float) -> float:
        """Return the seconds by which it is over with this probability, which is below 1."""
        return self.start_s + self.scale_s * _unit(share, self.shape)

    @property
    def width_s(self) -> float:
        """The time within which the middle eight of ten end."""
        return self.quantile_s(0.9) - self.quantile_s(0.1)

    def look_s(self, price_s: float) -> float:
        """Return the pause until the first look of those that cost least: expected delay, and a price for each look.

        Works backwards over points that are equally probable: from each, the best next one.
        """
        times_s = [0.0, *(self.quantile_s(_LAST * point / _POINTS) for point in range(_POINTS + 1))]
        known = [0.0, *(point / _POINTS for point in range(_POINTS + 1))]  # the last look finds the end
        last = len(times_s) - 1
        area = [0.0]
        for at in range(last):
            area.append(area[at] + (known[at] + known[at + 1]) / 2 * (times_s[at + 1] - times_s[at]))
        costs = [0.0] * (last + 1)
        best = last
        for at in reversed(range(last)):

            def cost(then: int, at: int = at) -> float:
                delay_s = area[then] - area[at] - known[at] * (times_s[then] - times_s[at])
                return delay_s + costs[then]

            # the later we are, the later the best next look: so each search begins where the one before ended
            found = cost(best)
            while best - 1 > at and (earlier := cost(best - 1)) <= found:
                best, found = best - 1, earlier
            costs[at] = found + price_s * (1 - known[at])
        return times_s[best]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What was told of one job, when, and what a look at it may cost."""

    law: Remaining | None
    at_s: float
    attempt: tuple[str, int]
    price_s: float


class Schedule:
    """The pauses of one wait, for one job or many: by what was told of them last, else by `backoff`."""

    def __init__(self, backoff: Backoff, price: float = PRICE) -> None:
        self._backoff, self._price = backoff, price
        self._heard: dict[str, _Heard] = {}

    def hear(self, job: Job, at_s: float) -> None:
        """Take note of what the service has just said."""
        before = self._heard.pop(job.job_id, None)
        if job.done:
            return
        law, attempt = Remaining.of(job.eta), (job.state, job.attempt)
        price_s = max(LEAST_PRICE_S, self._price * law.width_s) if law else 0.0
        if before and before.attempt == attempt:
            # the price stays as the law grows narrower: with it the looks would come ever closer to each other
            price_s = before.price_s or price_s
        self._heard[job.job_id] = _Heard(law, at_s, attempt, price_s)

    def pause_s(self, now_s: float, polls: int, chance: float) -> float:
        """Return how long to wait before the look after `polls` (from 1), where `chance` in [0, 1) says."""
        law, price_s = self._due(now_s)
        if law is None:
            return self._backoff.pause_s(polls, chance)
        least_s = min(self._backoff.cap_s, LEAST_S * 2.0 ** min(max(0, polls - FREE_POLLS), 64))
        # past the cap only while hardly any job like this one ends
        most_s = max(self._backoff.cap_s / (1 + JITTER), law.quantile_s(0.1))
        pause_s = max(least_s, law.look_s(price_s))
        return min(pause_s, most_s, LONGEST_S / (1 + JITTER)) * (1 + JITTER * chance)

    def _due(self, now_s: float) -> tuple[Remaining | None, float]:
        """Return what is left of the job that the next look is for, and its price: of many, one look finds several.

        That is the job which a tenth of all are expected to end before; what is not known may end at any time.
        """
        left = [(heard.law and heard.law.after(now_s - heard.at_s), heard.price_s) for heard in self._heard.values()]
        left.sort(key=lambda each: each[0].quantile_s(0.5) if each[0] else 0.0)
        return left[len(left) // 10] if left else (None, 0.0)


def _unit(share: float, shape: float) -> float:
    """Return the quantile of the generalised Pareto law that begins at 0, in units of its scale."""
    tail = math.log1p(-share)
    return -tail if abs(shape) < _NIL else math.expm1(-shape * tail) / shape


def _shape(ratio: float) -> float:
    """Return the shape of the law whose upper quantiles are `ratio` times as far apart as its lower ones."""
    low, high = _SHAPES
    for _ in range(20):
        shape = (low + high) / 2
        p10, p50, p90 = (_unit(share, shape) for share in (0.1, 0.5, 0.9))
        low, high = (shape, high) if p90 - p50 < ratio * (p50 - p10) else (low, shape)
    return (low + high) / 2
