"""What past jobs took, and the laws that follow from it. Pure: `outlook` keeps the samples in Redis."""

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple, Self

from contract.job import Job
from contract.states import State

MARKS: Final = 9
"""A sample says when its run's progress passed each tenth."""
FEW: Final = 20
"""Jobs that it takes to believe that there is a better yardstick than the second."""
BETTER: Final = 0.8
"""How much narrower the law by such a yardstick has to be."""
TAIL: Final = 5
"""Of a job that has outlasted all but so few known ones, the mean of what these took beyond tells more than they."""


class Quantiles(NamedTuple):
    """The times by which a tenth, half and nine tenths of jobs end."""

    p10: float
    p50: float
    p90: float

    def times(self, unit: float) -> Self:
        """Return them in another unit."""
        return type(self)(self.p10 * unit, self.p50 * unit, self.p90 * unit)

    @property
    def width(self) -> float:
        """How much is not known."""
        return self.p90 - self.p10


@dataclass(frozen=True, slots=True)
class Sample:
    """What one job's last attempt took. `marks_s`: when, since its start, its progress had passed each tenth."""

    run_s: float
    video_s: float | None = None
    marks_s: tuple[float, ...] = ()

    @classmethod
    def of(cls, job: Job, marks_s: Iterable[float] = ()) -> Self | None:
        """Take the sample of a job that has just been written; None where it says nothing about others."""
        if job.state not in (State.COMPLETED, State.ERROR) or job.started_at is None or job.finished_at is None:
            return None  # not over, or its owner has ended it
        run_s = (job.finished_at - job.started_at).total_seconds()
        return cls(max(0.0, run_s), job.video_duration_s, tuple(marks_s))

    @property
    def lull_s(self) -> float:
        """The longest that it took over a tenth of its progress, or since the last that it passed."""
        return max((after - before for before, after in pairwise((0.0, *self.marks_s, self.run_s))), default=0.0)

    def encode(self) -> str:
        """Write it, times in whole milliseconds."""
        video_ms = None if self.video_s is None else round(self.video_s * 1000)
        return json.dumps([round(self.run_s * 1000), video_ms, *(round(each * 1000) for each in self.marks_s)])

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read what `encode` has written. Raises ValueError or TypeError."""
        run_ms, video_ms, *marks_ms = json.loads(text)
        video_s = None if video_ms is None else video_ms / 1000
        return cls(run_ms / 1000, video_s, tuple(each / 1000 for each in marks_ms))


class Passage:
    """Notes when a run's progress passes each tenth, between two reports in proportion."""

    def __init__(self) -> None:
        self.marks_s: list[float] = []
        self._at_s = self._progress = 0.0

    def hear(self, at_s: float, progress: float) -> None:
        """Take note of a report, `at_s` after the run's start. Progress never falls."""
        while len(self.marks_s) < MARKS and progress >= (len(self.marks_s) + 1) / (MARKS + 1):
            tenth = (len(self.marks_s) + 1) / (MARKS + 1)
            share = (tenth - self._progress) / (progress - self._progress)
            self.marks_s.append(self._at_s + share * (at_s - self._at_s))
        self._at_s, self._progress = at_s, progress


class Law:
    """How values that were seen are distributed: they are at least one, and not negative."""

    def __init__(self, values: Iterable[float]) -> None:
        self._values = sorted(values)
        self._tail = min(len(self._values), max(TAIL, len(self._values) // 10))

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def mean(self) -> float:
        """The mean of all values."""
        return math.fsum(self._values) / len(self._values)

    @cached_property
    def deviation(self) -> float:
        """Their standard deviation."""
        return math.sqrt(math.fsum((each - self.mean) ** 2 for each in self._values) / len(self._values))

    @cached_property
    def spread(self) -> float:
        """How many times the first is in the ninth tenth: 1 is certainty, whatever the unit."""
        whole = self.remaining(0.0)
        return whole.p90 / whole.p10 if whole.p10 > 0 else math.inf

    def remaining(self, passed: float) -> Quantiles:
        """Return what is left of a value that is known to be above `passed`."""
        first = bisect_right(self._values, passed)
        if len(self._values) - first > TAIL:
            return Quantiles(*(self._at(first, share) - passed for share in (0.1, 0.5, 0.9)))
        # a law without memory, as long as the highest tenth lasts on average beyond the others; and what goes on
        # beyond everything known is expected to take as long again
        mean = max(self._excess + max(0.0, passed - self._values[-1]), 1e-3)
        return Quantiles(*(-mean * math.log1p(-share) for share in (0.1, 0.5, 0.9)))

    def _at(self, first: int, share: float) -> float:
        """Return a quantile of the values from index `first` on, in proportion between two of them."""
        last = len(self._values) - 1
        place = min(max(share * (last - first + 2) - 1, 0.0), last - first) + first
        below = int(place)
        low, high = self._values[below], self._values[min(below + 1, last)]
        return low + (place - below) * (high - low)

    @cached_property
    def _excess(self) -> float:
        """How far on average the highest values lie above the others."""
        others = len(self._values) - self._tail
        threshold = self._values[others - 1] if others else 0.0
        return math.fsum(self._values[others:]) / self._tail - threshold


@dataclass(frozen=True)
class Past:
    """The samples of one kind of jobs: at least one."""

    samples: Sequence[Sample]
    _paces: dict[int, Law | None] = field(default_factory=dict, init=False, compare=False)

    @cached_property
    def runs(self) -> Law:
        """What they took, in seconds."""
        return Law(each.run_s for each in self.samples)

    @cached_property
    def per_video(self) -> Law | None:
        """What they took per second of video, if by that they differ less."""
        known = [each for each in self.samples if each.video_s]
        law = _believable(each.run_s / each.video_s for each in known if each.video_s)
        return law if law and law.spread < BETTER * Law(each.run_s for each in known).spread else None

    @cached_property
    def lull_s(self) -> float:
        """The lull that nine of ten of them had at most."""
        lulls = sorted(each.lull_s for each in self.samples)
        return lulls[min(len(lulls) - 1, len(lulls) * 9 // 10)]

    def pace(self, progress: float) -> Law | None:
        """Return what they took, in units of what their progress thereabouts had promised, if it promises anything.

        At a progress of 0.3 after 6 s it promises 20 s. Whether that is true is for the samples to say.
        """
        tenth = min(MARKS, max(1, round(progress * (MARKS + 1))))
        if tenth not in self._paces:
            marked = [each for each in self.samples if len(each.marks_s) >= tenth and each.marks_s[tenth - 1] > 0]
            law = _believable(each.run_s * tenth / (MARKS + 1) / each.marks_s[tenth - 1] for each in marked)
            narrower = law is not None and law.spread < BETTER * Law(each.run_s for each in marked).spread
            self._paces[tenth] = law if narrower else None
        return self._paces[tenth]


def _believable(values: Iterable[float]) -> Law | None:
    found = list(values)
    return Law(found) if len(found) >= FEW else None
