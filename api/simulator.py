"""The routes of the simulator's own: a client's clock, and a fresh start. There are none where it does not run."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

import flask
from pydantic import AfterValidator, Field

from contract.clock import FASTEST, LONGEST_S, SLOWEST, Clock
from contract.job import to_rfc3339
from store.clocks import ClockStore
from store.odds import Odds
from store.worlds import WorldStore

from .caller import client_id
from .incoming import json_object
from .outgoing import answer
from .problems import invalid
from .schema import Strict

LATEST_S: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
"""Where calendars end: later times are told as this one."""


def _true(value: bool) -> bool:  # noqa: FBT001 - pydantic calls it
    if not value:
        raise ValueError('has to be true; {"speed": 1} lets the clock go on')
    return value


class Turn(Strict):
    """What shall become of a clock: exactly one of these."""

    freeze: Annotated[bool, AfterValidator(_true)] | None = None
    advance_s: float | None = Field(None, ge=0, le=LONGEST_S)
    speed: float | None = Field(None, ge=SLOWEST, le=FASTEST)

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Check a body. Raises InvalidFieldsError."""
        turn = super().parse(body)
        if len(turn.model_dump(exclude_none=True)) != 1:
            raise invalid("", f"has to have exactly one of {', '.join(cls.model_fields)}")
        return turn

    def __call__(self, clock: Clock, real_s: float) -> Clock:
        """Return the clock as it is to be from a real time on."""
        if self.advance_s is not None:
            return clock.advance(real_s, self.advance_s)
        return clock.run(real_s, self.speed or 0.0)


class Chances(Strict):
    """How often the caller's jobs are to fail; null: as often as the workers were told."""

    error_rate: float | None = Field(ge=0, le=1)


class SimulatorRoutes:
    """GET and POST /simulator/clock and /simulator/odds, POST /reset, each for the caller's own world."""

    def __init__(self, clocks: ClockStore, odds: Odds, worlds: WorldStore) -> None:
        self._clocks, self._odds, self._worlds = clocks, odds, worlds

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/simulator/clock", view_func=self.clock)
        app.add_url_rule("/simulator/clock", view_func=self.move_clock, methods=["POST"])
        app.add_url_rule("/simulator/odds", view_func=self.odds)
        app.add_url_rule("/simulator/odds", view_func=self.set_odds, methods=["POST"])
        app.add_url_rule("/reset", view_func=self.reset_world, methods=["POST"])

    def clock(self) -> flask.Response:
        """Say what the caller's clock shows."""
        return self._told(self._clocks.read(client_id()))

    def move_clock(self) -> flask.Response:
        """Freeze the caller's clock, put it forward, or let it go at a speed."""
        return self._told(self._clocks.move(client_id(), Turn.parse(json_object())))

    def odds(self) -> flask.Response:
        """Say how often the caller's jobs fail that ask for no course of their own."""
        return answer({"error_rate": self._odds.read(client_id())})

    def set_odds(self) -> flask.Response:
        """Set how often they fail, from the next one on that a worker takes."""
        self._odds.set(client_id(), Chances.parse(json_object()).error_rate)
        return self.odds()

    def reset_world(self) -> flask.Response:
        """Begin the caller's world anew: no jobs, no clock of its own, and the seed's first job comes next."""
        found = self._worlds.reset(client_id())
        return answer({"cancelled": found.cancelled, "forgotten": found.forgotten})

    def _told(self, clock: Clock) -> flask.Response:
        real_s = self._clocks.real_s()
        shown_s = min(LATEST_S, clock.now_s(real_s))
        now = to_rfc3339(datetime.fromtimestamp(shown_s, UTC))
        ahead_s = round(shown_s - real_s, 3) if clock.is_touched else 0.0
        return answer({"now": now, "ahead_s": ahead_s, "speed": clock.speed, "frozen": clock.is_frozen})
