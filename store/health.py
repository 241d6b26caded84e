"""Whether the service can work, check by check, and what stands in its way, in words for an operator."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

import redis
from redis.exceptions import ResponseError

SWEEP_S: Final = 10.0
"""Somebody sweeps every second; after so long without, what a dead worker held is not brought back."""
SKEW_S: Final = 1.0
"""So far the clocks of two hosts may be apart (docs/architecture.md)."""


class Verdict(StrEnum):
    """What a check has come to. A service with a warning works, and a person should look."""

    OK = "ok"
    WARNING = "warning"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What Redis says of itself; as good as can be where it says nothing. `limit_bytes` 0: it has no limit."""

    is_replica: bool = False
    used_bytes: int = 0
    limit_bytes: int = 0
    evicts: bool = False
    is_kept: bool = True
    write_fails: bool = False

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """Read the answer to INFO."""
        limit = int(info.get("maxmemory", 0))
        # a server that saves now and then loses minutes, which is no way to keep what was accepted
        return cls(
            is_replica=info.get("role", "master") != "master",
            used_bytes=int(info.get("used_memory", 0)),
            limit_bytes=limit,
            evicts=bool(limit) and info.get("maxmemory_policy", "noeviction") != "noeviction",
            is_kept=info.get("aof_enabled", 1) == 1,
            write_fails=info.get("aof_last_write_status", "ok") != "ok",
        )

    @classmethod
    def read(cls, connection: redis.Redis) -> Self:
        """Ask Redis, which may not let us ask."""
        try:
            return cls.of(connection.info())
        except ResponseError:
            return cls()

    def checks(self) -> list[Check]:
        """Return what follows for writing, and for keeping what was written."""
        return [Check("writes", *self._writes()), Check("persistence", *self._keeps())]

    def _writes(self) -> tuple[Verdict, str]:
        if self.is_replica:
            return Verdict.FAILING, "Redis is a replica, which takes no writes"
        if self.write_fails:
            return Verdict.FAILING, "Redis cannot write its append-only file: is its disk full?"
        if self.limit_bytes and self.used_bytes >= self.limit_bytes:
            return Verdict.FAILING, "Redis is full (maxmemory), so nothing new is accepted"
        return Verdict.OK, "Redis takes writes"

    def _keeps(self) -> tuple[Verdict, str]:
        if self.evicts:
            return Verdict.WARNING, "Redis drops what was accepted when it is full: set maxmemory-policy noeviction"
        if not self.is_kept:
            return Verdict.WARNING, "Redis keeps no append-only file, so what it forgets is lost: set appendonly yes"
        return Verdict.OK, "Redis keeps an append-only file"


def reached(answer_s: float | None) -> Check:
    """Judge how long Redis took to answer; None: it did not."""
    if answer_s is None:
        return Check("redis", Verdict.FAILING, "Redis cannot be reached")
    return Check("redis", Verdict.OK, f"Redis answers in {answer_s * 1000:.1f} ms")


def staffed(workers: int) -> Check:
    """Judge how many workers there are."""
    if not workers:
        return Check("workers", Verdict.FAILING, "no worker is running")
    return Check("workers", Verdict.OK, f"{workers} {'worker is' if workers == 1 else 'workers are'} running")


def swept(ago_s: float | None) -> Check:
    """Judge how long ago somebody has swept; None: nobody has yet."""
    if ago_s is None or ago_s > SWEEP_S:
        how_long = "yet" if ago_s is None else f"for {ago_s:.0f} s"
        reason = f"nobody has swept {how_long}, so nothing is brought back from lost workers"
        return Check("sweep", Verdict.WARNING, reason)
    return Check("sweep", Verdict.OK, "what lost workers drop is brought back")


def fed(*, is_fed: bool) -> Check:
    """Judge whether this process hears news from Redis."""
    if not is_fed:
        return Check("news", Verdict.WARNING, "this process hears no news, so its streams are late")
    return Check("news", Verdict.OK, "this process hears news")


def in_step(skew_s: float) -> Check:
    """Judge how far the clock of this process is ahead of that of Redis."""
    if abs(skew_s) > SKEW_S:
        words = f"this host's clock is {abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} that of Redis"
        return Check("clock", Verdict.WARNING, f"{words}: run NTP on both")
    return Check("clock", Verdict.OK, "this host's clock agrees with that of Redis")
