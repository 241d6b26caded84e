"""How long a run may take over what: which limit is broken, and when the next is due. Pure: it is told the time."""

import math
from typing import Final

from store.durations import FEW, Past
from store.settings import StoreSettings

from .ends import Stop
from .throttle import Report

LULL_S: Final = 60.0
"""No run is taken for stalled before it has been silent for so long, unless the operator says otherwise."""
LULLS: Final = 5
"""How many times as long as past jobs a run may be silent."""


class Timekeeper:
    """Keeps one run's time, all in seconds on the clock that `began_s` was read from.

    `past` is what is known of such jobs. A run is silent while neither its stage nor its progress changes.
    """

    def __init__(self, settings: StoreSettings, past: Past | None, began_s: float) -> None:
        self._stage_limit, self._stall_s, self._past = settings.stage_limit, settings.stall_limit_s, past
        self._job_due_s = began_s + settings.job_limit_s
        self._latest, self._stage_s, self._news_s = Report(None, 0.0), began_s, began_s
        self._patience_s = self._stall_s or LULL_S
        self._is_over = False

    def hear(self, report: Report, at_s: float) -> None:
        """Hear what the engine reports."""
        if report.stage != self._latest.stage:
            self._stage_s = at_s
        if report != self._latest:
            self._news_s = at_s
        self._latest = report

    def rest(self, at_s: float) -> None:
        """Note that nothing is to be expected just now: silence and the stage's time begin anew."""
        self._stage_s = self._news_s = at_s

    def due_s(self) -> float:
        """Return when to ask next whether a limit is broken; infinity once one was."""
        return math.inf if self._is_over else min(self._job_due_s, self._stage_due_s(), self._news_s + self._patience_s)

    def broken(self, at_s: float) -> Stop | None:
        """Return the limit that is broken at this time, once."""
        if at_s < self.due_s():
            return None
        if at_s >= self._job_due_s:
            stop = Stop.TIME_LIMIT
        elif at_s >= self._stage_due_s():
            stop = Stop.STAGE_TIME_LIMIT
        else:
            self._patience_s = self._stall_limit_s()  # only now: most runs end before it matters
            if at_s < self._news_s + self._patience_s:
                return None
            stop = Stop.STALLED
        self._is_over = True
        return stop

    def _stage_due_s(self) -> float:
        return self._stage_s + self._stage_limit.seconds(self._latest.stage)

    def _stall_limit_s(self) -> float:
        """Return how long this run may be silent: what is usual several times over, where that is known."""
        if self._past is None or len(self._past.samples) < FEW:
            return self._stall_s or math.inf
        return max(self._stall_s or LULL_S, LULLS * self._past.lull_s)
