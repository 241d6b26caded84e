"""When silence is a worker's own: what may be concluded from leases and absences, given how sweeps have come. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .keys import Ref

SILENT_MS: Final = 2_000
"""A living worker speaks up each second; one that has not for so long, and is not there either, is lost."""
GAP_MS: Final = 4_000
"""Sweeps that are so far apart may have had an outage between them."""
HICCUP_MS: Final = 2_000
"""Nobody is called absent in a turn that came so late: living workers get until the next one to be back."""
SETTLE_MS: Final = 3_000
"""So soon the living are there again on a server that has just begun to serve, or after an outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vigil:
    """How sweeps have come: to `server` ("": it does not say), in an unbroken row from `since_ms` to `last_ms`.

    `gap_ms` is what lay between the last two. While Redis is away every lease runs out, and a server that has begun
    anew knows no subscription; so the living shall have had time to speak up before anybody is judged.
    """

    since_ms: int
    last_ms: int
    gap_ms: int = 0
    server: str = ""

    @classmethod
    def kept(cls, before: "Vigil | None", now_ms: int, server: str) -> "Vigil":
        """Return the vigil that follows `before` with a sweep at this time; clocks may be set back, too."""
        if before is None or before.server != server or not 0 <= now_ms - before.last_ms <= GAP_MS:
            return cls(since_ms=now_ms, last_ms=now_ms, server=server)
        return cls(since_ms=before.since_ms, last_ms=now_ms, gap_ms=now_ms - before.last_ms, server=server)

    def trusts_leases(self, lease_ms: int) -> bool:
        """Whether a lease that has ended says that its worker is lost, frozen or cut off."""
        return self.last_ms - self.since_ms >= lease_ms

    def trusts_absence(self) -> bool:
        """Whether a silent worker that is not there is lost."""
        return bool(self.server) and self.last_ms - self.since_ms >= SETTLE_MS and self.gap_ms <= HICCUP_MS


def left_behind(silent: Mapping[Ref, str], present: set[str]) -> list[Ref]:
    """Return which of the silent runs, each Ref with its holder, nobody holds any more.

    A run without a holder's name was begun by a worker that cannot announce itself: its lease decides.
    """
    return [ref for ref, holder in silent.items() if holder and holder not in present]
