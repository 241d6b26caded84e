"""The engine that only pretends: takes its time, reports like a real one, and fails as often as it was told to."""

import math
from typing import Final

from contract.job import Output
from contract.law import Law

from .course import Fails, Leg, Stalls, plan
from .engine import Control, EngineError, Task

REPORT_S: Final = 1.0
STALL_WAIT_S: Final = 3600.0


class Simulator:
    """An engine that does no work. `speed` 10 is ten times as fast as real time."""

    def __init__(self, law: Law, *, error_rate: float, seed: str | None = None, speed: float = 1.0) -> None:
        self._law, self._error_rate, self._seed, self._speed = law, error_rate, seed, speed

    def translate(self, task: Task, control: Control) -> Output:
        """Walk the course that was drawn for this attempt."""
        course = plan(task, self._law, self._error_rate, self._seed)
        for leg in course.legs:
            self._walk(leg, control)
        if isinstance(course.ending, Fails):
            flaw = course.ending.flaw
            raise EngineError(flaw.code, flaw.message, retryable=course.ending.retryable, stage=flaw.stage)
        while isinstance(course.ending, Stalls):
            control.wait(STALL_WAIT_S)
        base = f"https://media.example.com/{task.job.job_id}"
        return Output(video_url=f"{base}.mp4", captions_url=f"{base}.vtt")

    def _walk(self, leg: Leg, control: Control) -> None:
        """Take the leg's time in even steps of a second at most, reporting after each."""
        control.stage(leg.stage)
        seconds = leg.seconds / self._speed
        steps = math.ceil(seconds / REPORT_S)
        for step in range(1, steps + 1):
            control.wait(seconds / steps)
            if leg.steady or step == steps:
                control.progress(leg.from_progress + (leg.to_progress - leg.from_progress) * step / steps)
