"""The outage that an operator has made the API play, for all its processes; it ends by itself."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self, cast

import redis

from . import keys


class Kind(StrEnum):
    """What happens to requests."""

    UNAVAILABLE = "unavailable"
    """They are answered 503."""
    DROPPED = "dropped"
    """Their connection ends without an answer."""
    SLOW = "slow"
    """They are answered late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What befalls a `share` (above 0, up to 1) of the requests; `latency` is the law of a slow one's seconds."""

    kind: Kind
    share: float = 1.0
    latency: str | None = None

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `begin` has written."""
        raw = json.loads(text)
        return cls(kind=Kind(raw["kind"]), share=float(raw["share"]), latency=raw["latency"])


class OutageStore:
    """Begins and ends outages; there is one at a time."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def begin(self, outage: Outage, for_s: float) -> None:
        """Have it last for so many seconds, whatever there was before."""
        self._redis.set(keys.OUTAGE, json.dumps(asdict(outage)), px=max(1, round(for_s * 1000)))

    def end(self) -> None:
        """End it, if there is one."""
        self._redis.delete(keys.OUTAGE)

    def read(self) -> tuple[Outage | None, float]:
        """Return the present outage, and for how many seconds it goes on."""
        with self._redis.pipeline() as pipe:
            pipe.get(keys.OUTAGE)
            pipe.pttl(keys.OUTAGE)
            kept, left_ms = pipe.execute()
        return (None, 0.0) if kept is None else (Outage.from_json(kept), max(0, left_ms) / 1000)

    def present(self) -> Outage | None:
        """Return the present outage alone, for whoever asks with every request."""
        kept = cast("bytes | None", self._redis.get(keys.OUTAGE))
        return None if kept is None else Outage.from_json(kept)
