"""Random schedules of faults, made of a seed: what happens to the lines of one wait, and when. No I/O.

On each line one fault is over before the next begins, and all are over after `LONGEST_S`; so a schedule has a moment
from which on nothing stands between the client and the end of its job.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final, Literal

from client.ladder import ROADS, Road
from contract.states import State

LONGEST_S: Final = 3.0
SHORT_REQUEST_S: Final = 1.0
ENDS: Final = (State.COMPLETED, State.ERROR, State.CANCELLED)


class Kind(StrEnum):
    """What happens to a line."""

    CUT = auto()  # a RST at both ends; whoever comes is let in
    OUTAGE = auto()  # a RST at both ends, and nobody is let in
    STALL = auto()  # all bytes wait
    BLACKHOLE = auto()  # no end is told; what is new waits until it is over
    HALF_CLOSED_CLIENT = auto()  # a FIN to the client alone
    HALF_CLOSED_SERVER = auto()
    MANGLED = (
        auto()
    )  # messages of Redis are lost, doubled, overtaken; then it hangs up, as on any reader it lost some of


LASTING: Final = frozenset({Kind.OUTAGE, Kind.STALL, Kind.BLACKHOLE, Kind.MANGLED})


@dataclass(frozen=True, slots=True)
class Fault:
    """It begins `at_s` after the wait, and is over `until_s`."""

    line: Literal["http", "redis"]
    kind: Kind
    at_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """One wait's course, in seconds from its beginning."""

    seed: int
    has_redis: bool
    faults: tuple[Fault, ...]
    reports_s: tuple[float, ...]
    ends_s: float
    end: State
    roads: tuple[Road, ...]
    request_s: float | None  # the client's `request_timeout`, if that is not the usual one

    @property
    def clear_s(self) -> float:
        """When the last fault is over."""
        return max((fault.until_s for fault in self.faults), default=0.0)

    def has(self, line: str, *kinds: Kind) -> bool:
        return any(fault.line == line and fault.kind in kinds for fault in self.faults)


def schedule(seed: int) -> Schedule:
    """Make the schedule of a seed."""
    dice = random.Random(seed)  # noqa: S311 - a schedule is no secret
    has_redis = dice.random() < 2 / 3
    faults = _faults(dice, "http")
    if has_redis:
        faults += _faults(dice, "redis")
    ends_s = dice.uniform(0.2, LONGEST_S + 0.5)
    reports = sorted(dice.uniform(0.0, ends_s) for _ in range(dice.randrange(5)))
    end = dice.choice(ENDS)
    roads = ROADS if has_redis else dice.choice((ROADS, (Road.SSE,), (Road.LONG_POLL,)))
    return Schedule(
        seed, has_redis, tuple(faults), tuple(reports), ends_s, end, roads, dice.choice((None, None, SHORT_REQUEST_S))
    )


def _faults(dice: random.Random, line: Literal["http", "redis"]) -> list[Fault]:
    kinds = [kind for kind in Kind if line == "redis" or kind is not Kind.MANGLED]
    faults, free_s = [], 0.0
    for _ in range(dice.randrange(4)):
        kind, at_s = dice.choice(kinds), free_s + dice.expovariate(1.5)
        free_s = at_s + (dice.uniform(0.1, 1.5) if kind in LASTING else 0.0)
        if free_s > LONGEST_S:
            break
        faults.append(Fault(line, kind, at_s, free_s))
    return faults
