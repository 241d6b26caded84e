"""The engine that only pretends: takes its time, reports like a real one, and fails as often as it was told to.

It lives in its client's simulated time, which is real time until that client moves its clock.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, Protocol

from contract.clock import Clock
from contract.job import Output
from contract.law import Law

from .course import Course, Fails, Leg, Stalls, plan
from .engine import Control, EngineError, Task

REPORT_S: Final = 1.0
STALL_WAIT_S: Final = 3600.0
NO_TIME_S: Final = 1e-6
"""What Unix seconds do not tell from nothing."""


class Time(Protocol):
    """A client's simulated time, in Unix seconds."""

    @property
    def clock(self) -> Clock:
        """Where it comes from."""

    def now_s(self) -> float:
        """Return what it is now."""

    def left_s(self, shown_s: float) -> float:
        """Return for how many real seconds it is not yet `shown_s`: infinity if it stands still."""


class Times(Protocol):
    """All clients' simulated times."""

    def follow(self, client_id: str, wake: Callable[[], None]) -> AbstractContextManager[Time]:
        """Give a client's time; `wake` is called whenever it may have been moved."""


class Simulator:
    """An engine that does no work. `speed` 10 is ten times as fast as its clients' time.

    `odds` gives the error rate that a client has set for its jobs, None if it has set none.
    """

    def __init__(
        self,
        law: Law,
        *,
        error_rate: float,
        times: Times,
        odds: Callable[[str], float | None] = lambda _: None,
        seed: str | None = None,
        speed: float = 1.0,
    ) -> None:
        self._law, self._error_rate, self._seed, self._speed = law, error_rate, seed, speed
        self._times, self._odds = times, odds

    def translate(self, task: Task, control: Control) -> Output:
        """Walk the course that was drawn for this attempt."""
        course = self._plan(task)
        if course.legs:
            with self._times.follow(task.job.client_id, control.wake) as time:
                self._walk(course, self._begin_s(task, time), time, control)
        if isinstance(course.ending, Fails):
            flaw = course.ending.flaw
            raise EngineError(flaw.code, flaw.message, retryable=course.ending.retryable, stage=flaw.stage)
        while isinstance(course.ending, Stalls):
            control.wait(STALL_WAIT_S)
        base = f"https://media.example.com/{task.job.job_id}"
        return Output(video_url=f"{base}.mp4", captions_url=f"{base}.vtt")

    def _plan(self, task: Task) -> Course:
        own = self._odds(task.job.client_id) if task.simulate is None else None  # else no dice are thrown
        return plan(task, self._law, self._error_rate if own is None else own, self._seed)

    def _begin_s(self, task: Task, time: Time) -> float:
        """Return the simulated time at which this attempt began: now, unless its client has moved its clock.

        Then the work began with the submission, and each attempt at the end of the one before. So a clock that is put
        forward moves a job on whether or not a worker had it by then.
        """
        now_s = time.now_s()
        if not time.clock.is_touched or task.round:
            return now_s
        before = (self._plan(replace(task, job=replace(task.job, attempt=each))) for each in range(1, task.attempt))
        spent_s = sum(course.seconds for course in before) / self._speed
        return min(now_s, time.clock.at_s(task.job.created_at.timestamp()) + spent_s)

    def _walk(self, course: Course, begin_s: float, time: Time, control: Control) -> None:
        """Pass the legs, each when it is time."""
        for leg in course.legs:
            control.stage(leg.stage)
            seconds = leg.seconds / self._speed
            self._pass(leg, begin_s, seconds, time, control)
            begin_s += seconds

    @staticmethod
    def _pass(leg: Leg, begin_s: float, seconds: float, time: Time, control: Control) -> None:
        """Wait until the leg's time is over, and report after every second at least."""
        end_s = begin_s + seconds
        while (left_s := time.left_s(end_s)) > NO_TIME_S:
            control.rest(is_resting=math.isinf(left_s))
            control.wait(STALL_WAIT_S if math.isinf(left_s) else min(REPORT_S, left_s))
            if leg.steady:
                done = min(1.0, max(0.0, 1 - (end_s - time.now_s()) / seconds))
                control.progress(leg.from_progress + (leg.to_progress - leg.from_progress) * done)
        control.rest(is_resting=False)
        control.progress(leg.to_progress)
