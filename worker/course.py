"""What will happen to a simulated job, decided beforehand by `plan`. Pure.

With a seed the course depends on it, on the job's number among its client's jobs and on its round alone, so a second
run is like the first.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from contract.job import STAGES
from contract.law import LONGEST_S, Law
from contract.scenarios import PASSING, PERMANENT, Flaw

from .engine import Task

SHARES: Final = {"fetch": 0.05, "transcribe": 0.2, "translate": 0.1, "voice": 0.25, "lipsync": 0.3, "render": 0.1}
"""How the work divides among the stages, as fractions of the whole."""
STALLS_IN: Final = "voice"


@dataclass(frozen=True, slots=True)
class Leg:
    """A stage on the way: how long it takes (above 0), and the job's progress before and after it.

    Unless it is `steady`, the progress is told at its end and not on the way.
    """

    stage: str
    seconds: float
    from_progress: float
    to_progress: float
    steady: bool = True


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
    duration_s = min(LONGEST_S, duration_s * (wish.get("slow_factor") or 1))
    ending = _ending(task, error_rate, rng)
    legs = _legs(duration_s, _last_stage(ending, wish), fills=not isinstance(ending, Stalls))
    return Course(_with_manners(legs, ending, wish), ending)


def _ending(task: Task, error_rate: float, rng: Random) -> Ending:
    """Choose the ending; every die is thrown each time, so that a wish changes nothing but what it is for."""
    unlucky, permanent, passing = rng.random() < error_rate, rng.random(), rng.random()
    wish = task.simulate
    if wish is None:
        return Fails(_drawn(PERMANENT, permanent), retryable=False) if unlucky else Delivers()
    if task.attempt <= (wish.get("fail_attempts") or 0):
        return Fails(_wished(wish, PASSING, passing), retryable=True)
    if wish.get("outcome") == "error":
        return Fails(_wished(wish, PERMANENT, permanent), retryable=False)
    return Stalls() if wish.get("outcome") == "stall" else Delivers()


def _drawn(flaws: Sequence[Flaw], chance: float) -> Flaw:
    return flaws[int(chance * len(flaws))]


def _wished(wish: Mapping[str, Any], flaws: Sequence[Flaw], chance: float) -> Flaw:
    """Return the flaw with the wished code, in the wished stage; what is not wished for is drawn from `flaws`.

    A code that is unknown stands for itself.
    """
    code, stage = wish.get("error_code"), wish.get("stage")
    fitting = [flaw for flaw in flaws if stage in (None, flaw.stage)]
    flaw = _drawn(fitting, chance)
    if code is not None:
        known = (each for each in PERMANENT + PASSING if each.code == code)
        flaw = next(known, Flaw(flaw.stage, code, f"The simulator was asked to fail with {code}"))
    return replace(flaw, stage=stage or flaw.stage)


def _last_stage(ending: Ending, wish: Mapping[str, Any]) -> str:
    if isinstance(ending, Fails):
        return ending.flaw.stage
    return (wish.get("stage") or STALLS_IN) if isinstance(ending, Stalls) else STAGES[-1]


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


def _with_manners(legs: tuple[Leg, ...], ending: Ending, wish: Mapping[str, Any]) -> tuple[Leg, ...]:
    """Have the course report, and deliver, as it was wished for."""
    if wish.get("progress") == "jumps":
        legs = tuple(replace(leg, steady=False) for leg in legs)
    late_s = wish.get("output_late_s") or 0.0
    if late_s and isinstance(ending, Delivers):
        legs += (Leg(STAGES[-1], late_s, 1.0, 1.0),)
    return legs
