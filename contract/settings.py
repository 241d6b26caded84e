"""Reading settings from an environment: every value checked, everything that is wrong reported at once."""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from .errors import SettingsError

T = TypeVar("T")


class Environment:
    """Reads named values and collects what is wrong with them; `check` raises it all together."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: list[str] = []

    def read(self, name: str, default: T, parse: Callable[[str], T], *, secret: bool = False) -> T:
        """Return `parse` of the value of `name`, or `default` where it is unset or empty.

        A ValueError of `parse` becomes one of the problems; its text says what the value has to be. A `secret`
        value is not repeated there.
        """
        text = self._values.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self._problems.append(f"{name}: {error}" if secret else f"{name}={text!r}: {error}")
            return default

    def refuse(self, problem: str) -> None:
        """Note that values which are good alone do not go together."""
        self._problems.append(problem)

    def check(self) -> None:
        """Raise SettingsError if anything that was read is wrong."""
        if self._problems:
            raise SettingsError(self._problems)


def number(low: float, high: float) -> Callable[[str], float]:
    """Return a parser of a finite number from `low` to `high`, both included."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"has to be a number from {low:g} to {high:g}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of a whole number from `low` to `high`, both included."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"has to be a whole number from {low} to {high}")
        return int(text)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that takes one of `words`, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"has to be one of {', '.join(words)}")
        return text.lower()

    return parse
