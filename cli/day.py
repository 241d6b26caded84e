"""A recorded day: which jobs arrive when, how each goes, and which outages there are. No I/O."""

import json
import math
import re
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Self

from api.outages import NewOutage
from api.schema import Submission
from contract.clock import FASTEST, SLOWEST
from contract.errors import FieldProblem, InvalidFieldsError
from contract.law import LONGEST_S

DAY_IN_A_MINUTE: Final = 1440.0
VIDEO: Final = "https://example.com/video.mp4"
"""What is translated where an entry names no video."""
MOST_JOBS: Final = 100_000

_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_FIELDS: Final = ("speed", "jobs", "outages")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submission, at so many seconds after the day's beginning."""

    at_s: float
    submission: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Strike:
    """An outage, which begins at so many seconds and lasts for as many of the day's as it says."""

    at_s: float
    kind: str
    for_s: float
    share: float
    latency: str | None


@dataclass(frozen=True, slots=True)
class Day:
    """What happens, in order. `speed` is how many of its seconds pass in one."""

    speed: float
    events: tuple[Arrival | Strike, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a file. Raises InvalidFieldsError with all that is wrong, each with a JSON pointer."""
        try:
            raw = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidFieldsError([FieldProblem("", f"is not JSON: {error}")]) from None
        reading = _Reading()
        speed, events = reading.day(raw)
        if reading.problems:
            raise InvalidFieldsError(reading.problems)
        return cls(speed, tuple(sorted(events, key=lambda each: each.at_s)))

    def moments(self) -> list[tuple[float, list[Arrival | Strike]]]:
        """Return what happens at each of its times."""
        return [(at_s, list(group)) for at_s, group in groupby(self.events, key=lambda each: each.at_s)]


class _Reading:
    """Reads a day, and collects what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []
        self._jobs = 0

    def day(self, raw: Any) -> tuple[float, list[Arrival | Strike]]:
        if not isinstance(raw, dict):
            self._wrong("", "has to be an object")
            return DAY_IN_A_MINUTE, []
        for name in raw:
            if name not in _FIELDS:
                self._wrong(f"/{name}", f"there is no such field; there are {', '.join(_FIELDS)}")
        speed = self._number(raw.get("speed", DAY_IN_A_MINUTE), "/speed", SLOWEST, FASTEST)
        events: list[Arrival | Strike] = []
        for at, entry in self._entries(raw, "jobs"):
            events += self._arrivals(entry, at)
        for at, entry in self._entries(raw, "outages"):
            events += self._strikes(entry, at)
        return speed, events

    def _entries(self, raw: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
        listed = raw.get(name, [])
        if not isinstance(listed, list):
            self._wrong(f"/{name}", "has to be a list")
            return []
        found = []
        for number, entry in enumerate(listed):
            if isinstance(entry, dict):
                found.append((f"/{name}/{number}", entry))
            else:
                self._wrong(f"/{name}/{number}", "has to be an object")
        return found

    def _arrivals(self, entry: dict[str, Any], at: str) -> list[Arrival]:
        fields = {"video_url": VIDEO, **entry}
        at_s = self._time(fields.pop("at", None), f"{at}/at")
        count = self._number(fields.pop("count", 1), f"{at}/count", 1, MOST_JOBS)
        if not count.is_integer():
            self._wrong(f"{at}/count", "has to be a whole number")
        every_s = self._number(fields.pop("every_s", 0), f"{at}/every_s", 0, LONGEST_S)
        self._jobs += int(count)
        if self._jobs > MOST_JOBS:
            self._wrong(at, f"makes it more than {MOST_JOBS} jobs")
            return []
        if "job_id" in fields:
            self._wrong(f"{at}/job_id", "is chosen anew whenever the day is played")
        try:
            Submission.parse(fields, engines=[str(fields.get("engine"))])
        except InvalidFieldsError as error:
            self._all_wrong(error, at)
        return [Arrival(at_s + number * every_s, fields) for number in range(int(count))]

    def _strikes(self, entry: dict[str, Any], at: str) -> list[Strike]:
        fields = dict(entry)
        at_s = self._time(fields.pop("at", None), f"{at}/at")
        try:
            wanted = NewOutage.parse(fields)
        except InvalidFieldsError as error:
            self._all_wrong(error, at)
            return []
        return [Strike(at_s, wanted.kind.value, wanted.for_s, wanted.share, wanted.latency)]

    def _time(self, value: Any, pointer: str) -> float:
        """Return seconds from the day's beginning."""
        if isinstance(value, str) and (found := _TIME.fullmatch(value)):
            hours, minutes, seconds = (int(each or 0) for each in found.groups())
            return self._number(hours * 3600 + minutes * 60 + seconds, pointer, 0, LONGEST_S)
        if value is None or isinstance(value, str):
            self._wrong(pointer, "has to be a time such as 09:30, or seconds from the beginning")
            return 0.0
        return self._number(value, pointer, 0, LONGEST_S)

    def _number(self, value: Any, pointer: str, low: float, high: float) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if not good or not math.isfinite(value):
            self._wrong(pointer, f"has to be a number from {low:g} to {high:g}")
            return float(low)
        return float(value)

    def _all_wrong(self, error: InvalidFieldsError, at: str) -> None:
        for each in error.errors:
            self._wrong(at + each.pointer, each.message)

    def _wrong(self, pointer: str, message: str) -> None:
        self.problems.append(FieldProblem(pointer, message))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
