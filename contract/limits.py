"""What one client may take at a time, and the errors of whoever wants more. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from .errors import RateLimitedError, ServiceUnavailableError

NONE: Final = "none"
"""The word for no limit at all."""
MOST: Final = 10**9
_RATE: Final = re.compile(r"([0-9]{1,10})/([0-9]{0,5})(s|m|h)")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600}
_LONGEST_S: Final = 86_400


class Limit(StrEnum):
    """What is limited for each client; its name in settings, answers and headers."""

    REQUESTS = "requests"
    QUEUED = "queued"
    RUNNING = "running"
    STREAMS = "streams"


@dataclass(frozen=True, slots=True)
class Rate:
    """`most` in any `within_s` seconds."""

    most: int
    within_s: int = 1

    def __str__(self) -> str:
        return f"{self.most}/{'' if self.within_s == 1 else self.within_s}s"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `100/s`, `6000/60s`, `600/m` or `5000/h`. Raises ValueError."""
        found = _RATE.fullmatch(text.strip().lower())
        if found:
            most, within_s = int(found[1]), int(found[2] or 1) * _UNIT_S[found[3]]
            if 1 <= most <= MOST and 1 <= within_s <= _LONGEST_S:
                return cls(most, within_s)
        raise ValueError("has to be a rate such as 100/s, 6000/60s, 600/m or 5000/h, or none")


def rate(text: str) -> Rate | None:
    """Read a rate; None: there is no limit. Raises ValueError."""
    return None if _is_none(text) else Rate.parse(text)


def count(least: int) -> Callable[[str], int | None]:
    """Return a parser of a limit that is a number; None: there is none."""

    def parse(text: str) -> int | None:
        if _is_none(text):
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < len(str(MOST)) and int(text) >= least):
            raise ValueError(f"has to be a whole number, {least} or more, or none")
        return int(text)

    return parse


PARSE: Final[Mapping[Limit, Callable[[str], Rate | int | None]]] = {
    Limit.REQUESTS: rate,
    Limit.QUEUED: count(0),
    Limit.RUNNING: count(1),
    Limit.STREAMS: count(0),
}
"""How each limit is read, from the environment, a request or a command line."""


def to_text(limit: Rate | int | None) -> str:
    """Write a limit as it is read."""
    return NONE if limit is None else str(limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may take that has no limits of its own; None: as much as it likes."""

    requests: Rate | None = None
    queued: int | None = None
    running: int | None = None
    streams: int | None = None

    def of(self, limit: Limit) -> Rate | int | None:
        """Return one of them."""
        found: Rate | int | None = getattr(self, limit)
        return found


def _is_none(text: str) -> bool:
    return text.strip().lower() == NONE


class TooManyQueuedError(RateLimitedError):
    """The caller has as many jobs in the queue as it may; this one was not taken."""

    code = "too_many_queued"
    title = "Too many jobs in the queue"
    limit = Limit.QUEUED


class TooManyStreamsError(RateLimitedError):
    """The caller has as many streams and held answers open as it may."""

    code = "too_many_streams"
    title = "Too many streams and held answers"
    limit = Limit.STREAMS


class TooManyWrongTokensError(RateLimitedError):
    """Too many tokens that are none came from this address; for a while no other that is new there is looked at."""

    code = "too_many_wrong_tokens"
    title = "Too many wrong tokens came from your address"
    limit = "wrong_tokens"


class OverloadedError(ServiceUnavailableError):
    """The service has too much to do just now, and has not begun with this; what it accepted is kept."""

    code = "overloaded"
    title = "The service has too much to do just now"
