"""What a client asks of the simulator, as pure values; and the blocking face of it, `client.simulator`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from .http import Kind, Request
from .sendable import check_json

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedClock:
    """A client's simulated time: what it shows, how far ahead of real time it is, and how fast it goes (0.0: frozen).

    The times in job documents stay real ones.
    """

    now: datetime
    ahead_s: float
    speed: float
    frozen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedOutage:
    """The outage that the service plays, if it does (`kind`): for `left_s` more, to this `share` of the requests."""

    kind: str | None
    left_s: float
    share: float
    latency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOdds:
    """The share (0 to 1) that fails of jobs that ask for no course of their own; None: as the workers were told."""

    error_rate: float | None


class Call(Protocol):
    """Sends a request once, and returns its value."""

    def __call__(self, request: Request[T], /) -> T:
        """Send it."""


class Simulator:
    """What the simulator does for this client: its clock, its world, and outages where the operator allows them.

    RouteNotFoundError is raised where there is no simulator, or no outages are allowed.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def clock(self) -> SimulatedClock:
        """Read this client's clock."""
        return self._call(read_clock())

    def freeze(self) -> SimulatedClock:
        """Let time stand still: no simulated job of this client goes on until it is put forward."""
        return self._call(move_clock(freeze=True))

    def advance(self, seconds: float) -> SimulatedClock:
        """Put time forward; every job that was submitted before has gone on by so many seconds."""
        return self._call(move_clock(advance_s=seconds))

    def speed(self, factor: float) -> SimulatedClock:
        """Let time go so many times as fast; 1 goes on after `freeze`."""
        return self._call(move_clock(speed=factor))

    def odds(self) -> SimulatedOdds:
        """Read how often this client's jobs fail."""
        return self._call(read_odds())

    def set_odds(self, error_rate: float | None) -> SimulatedOdds:
        """Set how often they fail, from the next one on that a worker takes; None: as the workers were told."""
        return self._call(set_odds(error_rate))

    def reset(self) -> None:
        """Begin this client's world anew: its jobs are cancelled and forgotten, its clock and odds set back."""
        self._call(reset_world())

    def outage(self) -> PlayedOutage:
        """Read which outage is played."""
        return self._call(read_outage())

    def begin_outage(
        self, kind: str, for_s: float, *, share: float | None = None, latency: str | None = None
    ) -> PlayedOutage:
        """Have the service be `unavailable`, `dropped` or `slow` for a while, for all clients; `latency` is a law."""
        return self._call(begin_outage(kind, for_s, share, latency))

    def end_outage(self) -> PlayedOutage:
        """End the outage before its time."""
        return self._call(end_outage())


def read_clock() -> Request[SimulatedClock]:
    """Read the clock."""
    return _request("GET", "/simulator/clock", _clock)


def move_clock(**turn: Any) -> Request[SimulatedClock]:
    """Freeze the clock, put it forward or give it a speed. Raises ValueError or TypeError for what no JSON can say."""
    return _request("POST", "/simulator/clock", _clock, turn)


def read_odds() -> Request[SimulatedOdds]:
    """Read how often jobs fail."""
    return _request("GET", "/simulator/odds", _odds)


def set_odds(error_rate: float | None) -> Request[SimulatedOdds]:
    """Set how often jobs fail. Raises ValueError or TypeError for what no JSON can say."""
    return _request("POST", "/simulator/odds", _odds, {"error_rate": error_rate})


def reset_world() -> Request[bool]:
    """Begin the world anew."""
    return _request("POST", "/reset", lambda _: True)


def read_outage() -> Request[PlayedOutage]:
    """Read the outage."""
    return _request("GET", "/simulator/outage", _outage)


def begin_outage(kind: str, for_s: float, share: float | None, latency: str | None) -> Request[PlayedOutage]:
    """Begin an outage. Raises ValueError or TypeError for what no JSON can say."""
    said = {"kind": kind, "for_s": for_s, "share": share, "latency": latency}
    return _request("POST", "/simulator/outage", _outage, {k: v for k, v in said.items() if v is not None})


def end_outage() -> Request[PlayedOutage]:
    """End the outage."""
    return _request("DELETE", "/simulator/outage", _outage)


def _request(method: str, path: str, read: Callable[[Any], T], body: dict[str, Any] | None = None) -> Request[T]:
    if body is not None:
        check_json(body)
    return Request(kind=Kind.SIMULATOR, method=method, path=path, read=read, body=body)


def _clock(document: Any) -> SimulatedClock:
    return SimulatedClock(
        now=datetime.fromisoformat(document["now"]),
        ahead_s=float(document["ahead_s"]),
        speed=float(document["speed"]),
        frozen=bool(document["frozen"]),
    )


def _odds(document: Any) -> SimulatedOdds:
    return SimulatedOdds(error_rate=None if document["error_rate"] is None else float(document["error_rate"]))


def _outage(document: Any) -> PlayedOutage:
    return PlayedOutage(
        kind=document["kind"],
        left_s=float(document["left_s"]),
        share=float(document["share"]),
        latency=document["latency"],
    )
