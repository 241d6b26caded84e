"""Which of an engine's reports are worth writing, and when. Pure: it is told the time."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

EVERY_S: Final = 1.0
MOST_STAGES: Final = 32
"""Stages kept while they cannot be written; of an engine that flits between more, the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Report:
    """The stage that the engine is in, and the progress of the whole job (0.0 to 1.0)."""

    stage: str | None
    progress: float


class Throttle:
    """Lets each new stage through at once, and else the latest progress, `every_s` seconds apart.

    Reports that cannot be written (Redis is away) merge: the stages' beginnings and the latest progress remain.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._beginnings: deque[Report] = deque(maxlen=MOST_STAGES)
        self._latest: Report | None = None
        self._stage: str | None = None
        self._written_s = -math.inf

    def take(self, report: Report) -> None:
        """Hear what the engine reports."""
        if report.stage == self._stage:
            self._latest = report
        else:
            self._beginnings.append(report)
            self._latest = None  # the new stage says more
        self._stage = report.stage

    def due_s(self) -> float:
        """Return when the next write is due, on the clock of `written`; infinity if there is nothing to write."""
        if self._beginnings:
            return -math.inf
        return self._written_s + self._every_s if self._latest else math.inf

    def next(self) -> Report | None:
        """Return what to write next. It stays the next until `written` says that it was."""
        return self._beginnings[0] if self._beginnings else self._latest

    def written(self, report: Report, now_s: float) -> None:
        """Note that `report`, which `next` gave, has been written."""
        if self._beginnings and self._beginnings[0] is report:
            self._beginnings.popleft()
        elif self._latest is report:
            self._latest = None
        self._written_s = now_s
