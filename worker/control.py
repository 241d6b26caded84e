"""The Control that an engine gets: it only notes and passes on, so no call of it ever waits for Redis."""

import math
import queue
from collections.abc import Callable

from contract.job import STAGES

from .ends import Stop
from .engine import StopAsked
from .throttle import Report


class RunControl:
    """One run's Control. `tell` passes a report on; any thread may call `stop` and `wake`, the engine's the rest.

    No locks of its own: RQ's death penalty may strike between any two lines of the engine's thread, and a lock that
    it held would stay held. A SimpleQueue is whole at any moment.
    """

    def __init__(self, tell: Callable[[Report], None]) -> None:
        self._tell = tell
        self._latest = Report(None, 0.0)
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.asked: Stop | None = None
        self.is_resting = False

    @property
    def current_stage(self) -> str | None:
        """The stage that the engine reported last."""
        return self._latest.stage

    def stage(self, name: str) -> None:
        """See Control."""
        self.check()
        if name not in STAGES:
            raise ValueError(f"{name!r} is no stage; there are {', '.join(STAGES)}")
        self._report(Report(name, self._latest.progress))

    def progress(self, fraction: float) -> None:
        """See Control."""
        self.check()
        if math.isnan(fraction):
            raise ValueError("progress has to be a number")
        self._report(Report(self._latest.stage, max(self._latest.progress, min(1.0, fraction))))

    def wait(self, seconds: float) -> None:
        """See Control."""
        self.check()
        try:
            self._wake.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return
        if self.asked is not None:
            self._wake.put(None)  # for an engine's other threads
        self.check()

    def wake(self) -> None:
        """See Control."""
        self._wake.put(None)

    def rest(self, *, is_resting: bool) -> None:
        """See Control."""
        self.is_resting = is_resting

    def check(self) -> None:
        """See Control."""
        if self.asked is not None:
            raise StopAsked(self.asked.value)

    def stop(self, why: Stop) -> None:
        """Ask the engine to stop. What was asked first stands, save that a job which is gone is gone."""
        if self.asked is None or why is Stop.GONE:
            self.asked = why
        self._wake.put(None)

    def _report(self, report: Report) -> None:
        if report != self._latest:
            self._latest = report
            self._tell(report)
