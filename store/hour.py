"""The last hour, minute by minute, and what it comes to. Pure: it is given the counts as each minute found them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from contract.job import STAGES, Priority
from contract.states import Result

from . import measures
from .measures import ATTEMPTS, FINISHED, KNOWING, QUEUE_WAIT, RUN, STAGE, SUBMITTED, Histogram
from .minutes import Found

MINUTES: Final = 60
MEASURED: Final = (*(f"queued:{priority}" for priority in Priority), "running", "workers", "slots")
"""What is not counted but measured, once a minute: how much there is of it at that moment."""
Counts: TypeAlias = Counter[str]

COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    "submitted": tuple(SUBMITTED.of(priority) for priority in Priority),
    **{result.value: (FINISHED.of(result),) for result in Result if result is not Result.PENDING},
    "retried": (ATTEMPTS.of("retry"),),
}
"""What is told of each minute, and the counts that it is the sum of."""

TOOK: Final[Mapping[str, tuple[Histogram, tuple[str, ...]]]] = {
    "wait": (QUEUE_WAIT, tuple(Priority)),
    "run": (RUN, (Result.COMPLETED, Result.ERROR)),
    "knowing": (KNOWING, ("events", "held")),
    **{stage: (STAGE, (stage,)) for stage in STAGES},
}
"""What took how long, and of which times: those of a measure that have these labels."""
TOLD: Final = ("run", "knowing")
"""What of it is told minute by minute; of all the rest only what the hour comes to."""


@dataclass(frozen=True, slots=True)
class Hour:
    """What each of the last `MINUTES` found at its beginning, oldest first (None: not known), and what there is now."""

    found: Sequence[Found | None]
    now: Found

    def minutes(self) -> list[Counts | None]:
        """Return what happened in each minute, the present one so far; None where that is not known."""
        pairs = zip(self.found, self._ends, strict=True)
        return [None if before is None or after is None else since(before, after) for before, after in pairs]

    def whole(self) -> Counts:
        """Return what happened in all of it, or since the first minute that is known."""
        first = next((each for each in self.found if each is not None), None)
        return Counter() if first is None else since(first, self.now)

    def to_wire(self) -> dict[str, Any]:
        """Return the hour as JSON types: series have a value for each minute, null where it is not known."""
        minutes, whole = self.minutes(), self.whole()
        return {
            "counted": {
                name: [None if each is None else _sum(each, parts) for each in minutes]
                for name, parts in COUNTED.items()
            },
            "measured": {name: [None if each is None else each.get(name) for each in self._ends] for name in MEASURED},
            "durations": {what: [None if each is None else took(each, what) for each in minutes] for what in TOLD},
            "whole": {
                "counted": {name: _sum(whole, parts) for name, parts in COUNTED.items()},
                "durations": {what: took(whole, what) for what in TOOK},
                "error_rate": error_rate(whole),
            },
        }

    @property
    def _ends(self) -> list[Found | None]:
        return [*self.found[1:], self.now]


def since(before: Found, after: Found) -> Counts:
    """Return what was counted in between. A count that fell has begun anew: Redis was started again."""
    return Counter(
        {name: count - (before.get(name, 0) if before.get(name, 0) <= count else 0) for name, count in after.items()}
    )


def took(counts: Mapping[str, int], what: str) -> dict[str, Any] | None:
    """Return how many times there were, and what half and nine tenths of them were not longer than; None of none."""
    histogram, labels = TOOK[what]
    buckets = [
        sum(counts.get(measures.BETWEEN.join((histogram.name, label, bound)), 0) for label in labels)
        for bound in histogram.bounds
    ]
    if not any(buckets):
        return None
    p50_s, p90_s = (quantile_s(histogram.bounds_s, buckets, share) for share in (0.5, 0.9))
    return {"count": sum(buckets), "p50_s": round(p50_s, 4), "p90_s": round(p90_s, 4)}


def quantile_s(bounds_s: Sequence[float], buckets: Sequence[int], share: float) -> float:
    """Return what a `share` (0 to 1) of times were not longer than, nearly: in a bucket they are taken to lie evenly.

    There is one bucket more than there are bounds, of which nothing is known but that it is beyond the last.
    """
    rank, seen, low_s = share * sum(buckets), 0, 0.0
    for bound_s, count in zip(bounds_s, buckets, strict=False):
        if count and seen + count >= rank:
            return low_s + (bound_s - low_s) * max(0.0, rank - seen) / count
        seen, low_s = seen + count, bound_s
    return low_s


def error_rate(counts: Mapping[str, int]) -> float | None:
    """Return the share of `error` among jobs that were not cancelled; None of none."""
    failed, completed = (counts.get(FINISHED.of(result), 0) for result in (Result.ERROR, Result.COMPLETED))
    return round(failed / (failed + completed), 4) if failed + completed else None


def _sum(counts: Mapping[str, int], names: Iterable[str]) -> int:
    return sum(counts.get(name, 0) for name in names)
