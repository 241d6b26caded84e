"""The asynchronous face of the simulator: the blocking one's methods, awaited."""

from typing import Protocol, TypeVar

from .http import Request
from .simulated import (
    PlayedOutage,
    SimulatedClock,
    SimulatedOdds,
    begin_outage,
    end_outage,
    move_clock,
    read_clock,
    read_odds,
    read_outage,
    reset_world,
    set_odds,
)

T = TypeVar("T")


class AsyncCall(Protocol):
    """Sends a request once, and returns its value."""

    async def __call__(self, request: Request[T], /) -> T:
        """Send it."""


class AsyncSimulator:
    """What the simulator does for this client; what Simulator says holds here too."""

    def __init__(self, call: AsyncCall) -> None:
        self._call = call

    async def clock(self) -> SimulatedClock:
        """Read this client's clock."""
        return await self._call(read_clock())

    async def freeze(self) -> SimulatedClock:
        """Let time stand still: no simulated job of this client goes on until it is put forward."""
        return await self._call(move_clock(freeze=True))

    async def advance(self, seconds: float) -> SimulatedClock:
        """Put time forward; every job that was submitted before has gone on by so many seconds."""
        return await self._call(move_clock(advance_s=seconds))

    async def speed(self, factor: float) -> SimulatedClock:
        """Let time go so many times as fast; 1 goes on after `freeze`."""
        return await self._call(move_clock(speed=factor))

    async def odds(self) -> SimulatedOdds:
        """Read how often this client's jobs fail."""
        return await self._call(read_odds())

    async def set_odds(self, error_rate: float | None) -> SimulatedOdds:
        """Set how often they fail, from the next one on that a worker takes; None: as the workers were told."""
        return await self._call(set_odds(error_rate))

    async def reset(self) -> None:
        """Begin this client's world anew: its jobs are cancelled and forgotten, its clock and odds set back."""
        await self._call(reset_world())

    async def outage(self) -> PlayedOutage:
        """Read which outage is played."""
        return await self._call(read_outage())

    async def begin_outage(
        self, kind: str, for_s: float, *, share: float | None = None, latency: str | None = None
    ) -> PlayedOutage:
        """Have the service be `unavailable`, `dropped` or `slow` for a while, for all clients; `latency` is a law."""
        return await self._call(begin_outage(kind, for_s, share, latency))

    async def end_outage(self) -> PlayedOutage:
        """End the outage before its time."""
        return await self._call(end_outage())
