"""The engine that only pretends: takes its time, reports like a real one, and fails as often as it was told to.

What will happen to a job is computed beforehand, by `plan`; the engine walks that course. With a seed the course
depends on it, on the job's number among its client's jobs and on its round alone, so a second run is like the first.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Final

from contract.job import STAGES, Output

from .engine import Control, EngineError, Task
from .law import Law

SHARES: Final = {"fetch": 0.05, "transcribe": 0.2, "translate": 0.1, "voice": 0.25, "lipsync": 0.3, "render": 0.1}
"""How the work divides among the stages, as fractions of the whole."""
REPORT_S: Final = 1.0
STALL_WAIT_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Flaw:
    """A way to fail: in which stage, and what the submitter is told."""

    stage: str
    code: str
    message: str


PERMANENT: Final = (
    Flaw("fetch", "video_unreachable", "The video could not be downloaded: its server answered 404"),
    Flaw("fetch", "video_undecodable", "The file holds no video stream that can be decoded"),
    Flaw("transcribe", "no_speech", "No speech was found in the audio track"),
    Flaw("translate", "language_unknown", "The spoken language could not be recognised"),
    Flaw("voice", "voices_inseparable", "The speakers' voices could not be told apart"),
    Flaw("lipsync", "no_face", "No face was found that the lips could be synchronised for"),
)
PASSING: Final = (
    Flaw("fetch", "source_timeout", "The video's server did not answer in time"),
    Flaw("voice", "model_overloaded", "The speech model has no free capacity just now"),
    Flaw("render", "encoder_lost", "The encoder's machine went away"),
)
STALLS_IN: Final = "voice"


@dataclass(frozen=True, slots=True)
class Leg:
    """A stage on the way: how long it takes (above 0), and the job's progress before and after it."""

    stage: str
    seconds: float
    from_progress: float
    to_progress: float


@dataclass(frozen=True, slots=True)
class Delivers:
    """The course ends well."""


@dataclass(frozen=True, slots=True)
class Fails:
    """The course ends with a failure."""

    flaw: Flaw
    retryable: bool


@dataclass(frozen=True, slots=True)
class Stalls:
    """The course never ends: in the middle of the work, reports just cease."""


Ending = Delivers | Fails | Stalls


@dataclass(frozen=True, slots=True)
class Course:
    """What will happen: the legs in order, then the ending. Seconds are those of an engine at speed 1."""

    legs: tuple[Leg, ...]
    ending: Ending

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return math.fsum(leg.seconds for leg in self.legs)


def plan(task: Task, law: Law, error_rate: float, seed: str | None) -> Course:
    """Decide what will happen to this attempt at a job: the same answer for the same arguments, anywhere.

    A course lasts as long as `simulate` or the law says, whether it ends well or with a failure.
    """
    rng = Random(f"{task.job.job_id}/{task.round}" if seed is None else f"{seed}/{task.number}/{task.round}")  # noqa: S311
    wish = task.simulate or {}
    drawn_s = law.draw(rng, task.job.video_duration_s)
    duration_s = drawn_s if wish.get("duration_s") is None else float(wish["duration_s"])
    ending = _ending(task, error_rate, rng)
    last = ending.flaw.stage if isinstance(ending, Fails) else STALLS_IN if isinstance(ending, Stalls) else STAGES[-1]
    return Course(_legs(duration_s, last, fills=not isinstance(ending, Stalls)), ending)


def _ending(task: Task, error_rate: float, rng: Random) -> Ending:
    """Choose the ending; every die is thrown each time, so that a wish changes nothing but what it is for."""
    unlucky, permanent, passing = rng.random() < error_rate, rng.choice(PERMANENT), rng.choice(PASSING)
    wish = task.simulate
    if wish is None:
        return Fails(permanent, retryable=False) if unlucky else Delivers()
    code = wish.get("error_code")
    if task.attempt <= (wish.get("fail_attempts") or 0):
        return Fails(_named(code, passing), retryable=True)
    if wish.get("outcome") == "error":
        return Fails(_named(code, permanent), retryable=False)
    return Stalls() if wish.get("outcome") == "stall" else Delivers()


def _named(code: str | None, drawn: Flaw) -> Flaw:
    """Return the flaw of this code: a known one whole, an unknown one in the stage that was drawn."""
    if code is None:
        return drawn
    known = (flaw for flaw in PERMANENT + PASSING if flaw.code == code)
    return next(known, Flaw(drawn.stage, code, f"The simulator was asked to fail with {code}"))


def _legs(duration_s: float, last: str, *, fills: bool) -> tuple[Leg, ...]:
    """Divide a duration among the stages up to `last`; if it `fills`, they take all of it between them."""
    if not duration_s:
        return ()  # stages that take no time are not worth their news: nobody could see them
    stages = STAGES[: STAGES.index(last) + 1]
    whole = math.fsum(SHARES[stage] for stage in stages) if fills else 1.0
    legs, done = [], 0.0
    for stage in stages:
        reached = min(1.0, round(done + SHARES[stage], 9))
        legs.append(Leg(stage, duration_s * SHARES[stage] / whole, done, reached))
        done = reached
    return tuple(legs)


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
            control.progress(leg.from_progress + (leg.to_progress - leg.from_progress) * step / steps)
