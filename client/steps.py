"""The language between plans and drivers: what should happen next, and how it went."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeAlias, TypeVar

from contract.job import Job

from .http import Answer, Request
from .ladder import Road

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Generic[T]):
    """Send a request and give up on its answer after `within_s`, or once nothing has come for `quiet_s`.

    Whoever says how often he gives a sign of life while he holds an answer may be silent for twice as long instead.
    `is_retry`: the one before it got no usable answer.
    `insist`: connect even if somebody has just found the service away.
    """

    request: Request[T]
    within_s: float
    quiet_s: float = math.inf
    is_retry: bool = False
    insist: bool = False


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Bring a line up by `road`, Redis or server-sent events, and have it acknowledged, all `within_s`.

    What has been sent on a line that lives may be acknowledged as late as `left_s` from now: who shares it with
    thousands waits longer, and is not helped by another road. A line that there is stays if that fails, and is given up
    if not.
    """

    road: Road
    within_s: float
    left_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait on the line for one message, or for its loss, for `seconds` at most."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Hand a job that has changed to whoever is waiting."""

    job: Job


@dataclass(frozen=True, slots=True)
class Warn:
    """Say to whoever is waiting that there has been no news of a job for far longer than was promised."""

    job: Job


class Line(Enum):
    """How the line that a step was about is after it."""

    UP = auto()
    BEHIND = auto()  # up, though it says only what happens from now on, and not how it stands
    QUIET = auto()  # up as far as we know, yet it should have said something by now
    DOWN = auto()  # for now
    NONE = (
        auto()
    )  # and there will be none: the service or the installation has no such road; the answer's error says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a step went: at what time of the driver's monotonic clock it was over, and what it brought.

    `answer` is that of a Send, the job pushed during a Listen, or why a Subscribe has failed.
    `line` is None where the step has nothing to say about it.
    """

    at_s: float
    answer: Answer[Any] = Answer()  # noqa: RUF009 - frozen
    line: Line | None = None


Step: TypeAlias = Send[Any] | Subscribe | Listen | Pause | Tell | Warn
Plan: TypeAlias = Generator[Step, Reply, T]


@dataclass(frozen=True, slots=True)
class End(Generic[T]):
    """A plan is over; what it was made for."""

    value: T


def advance(plan: Plan[T], reply: Reply | None) -> Step | End[T]:
    """Tell a plan how the last step went (None: there was none yet); return what should happen next."""
    try:
        return next(plan) if reply is None else plan.send(reply)
    except StopIteration as end:
        return End(end.value)
