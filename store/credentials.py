"""What a client lets itself in with, and for how long. Pure: it is told the time and the dice."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

ENTROPY_BYTES: Final = 32
MOST_HELD: Final = 5
"""So many tokens of one client live at once; whoever makes more loses the oldest."""
_PREFIX: Final = "dubq_"
"""What scanners for lost secrets look for: `dubq_[A-Za-z0-9_-]{43}`, the admin's begins with `dubq_admin_`."""
_ADMIN_PREFIX: Final = "dubq_admin_"


def new_token(random: bytes, *, is_admin: bool = False) -> str:
    """Make a token of `ENTROPY_BYTES` random ones."""
    return (_ADMIN_PREFIX if is_admin else _PREFIX) + urlsafe_b64encode(random).decode().rstrip("=")


def new_session(random: bytes) -> str:
    """Make what a browser shows in the place of a token, of `ENTROPY_BYTES` random ones."""
    return urlsafe_b64encode(random).decode().rstrip("=")


def sha256(token: str) -> str:
    """Return what is kept of a token, in hex. It has enough entropy of its own to need neither salt nor stretching."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Held:
    """A token's SHA-256, and when it ends: None as long as no other has come after it."""

    value: str
    until: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A tenant as it is kept; the newest token comes first."""

    client_id: str
    created_at: datetime
    tokens: tuple[Held, ...]

    def live_tokens(self, now: datetime) -> tuple[str, ...]:
        """Return the SHA-256 of each token that lets the client in."""
        return tuple(each.value for each in self.tokens if each.is_live(now))

    def next_end(self) -> datetime | None:
        """Return when the next token ends, None if none does."""
        return min((each.until for each in self.tokens if each.until), default=None)

    def rotate(self, token: str, now: datetime, overlap: timedelta) -> Self:
        """Take a new token (its SHA-256); those before live for `overlap` more, or less as before."""
        until = now + overlap
        ending = (replace(each, until=min(each.until or until, until)) for each in self.tokens)
        return replace(self, tokens=(Held(token), *ending)[:MOST_HELD])

    def without_ended(self, now: datetime) -> Self:
        """Drop what has ended."""
        return replace(self, tokens=tuple(each for each in self.tokens if each.is_live(now)))

    def encode(self) -> str:
        """Write it, times in Unix milliseconds."""
        document = {
            "client_id": self.client_id,
            "created_ms": _to_ms(self.created_at),
            "tokens": _to_pairs(self.tokens),
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read what `encode` has written. Raises KeyError, TypeError or ValueError."""
        raw = json.loads(text)
        return cls(
            client_id=raw["client_id"],
            created_at=_from_ms(raw["created_ms"]),
            tokens=_from_pairs(raw["tokens"]),
        )


def _to_pairs(held: Iterable[Held]) -> list[tuple[str, int | None]]:
    return [(each.value, _to_ms(each.until) if each.until else None) for each in held]


def _from_pairs(pairs: list[list[str | int | None]]) -> tuple[Held, ...]:
    return tuple(Held(str(value), None if until is None else _from_ms(int(until))) for value, until in pairs)


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _from_ms(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
