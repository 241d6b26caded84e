"""The routes of the simulator's own: a client's clock, and a fresh start. There are none where it does not run."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

import flask
from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from contract.clock import FASTEST, LONGEST_S, SLOWEST, Clock
from contract.job import to_rfc3339
from store.clocks import ClockStore
from store.odds import Odds
from store.worlds import WorldStore

from .caller import client_id
from .incoming import json_object
from .operations import Answer, Body, operation
from .outgoing import answer
from .problems import invalid
from .schema import Strict

LATEST_S: Final = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
"""Where calendars end: later times are told as this one."""


def _true(value: bool) -> bool:  # noqa: FBT001 - pydantic calls it
    if not value:
        raise ValueError('has to be true; {"speed": 1} lets the clock go on')
    return value


def _one_of_them(schema: dict[str, Any]) -> None:
    """Say in a schema that exactly one field is there; null is the same as leaving out."""
    left_out = {name: {"type": "null"} for name in schema["properties"]}
    schema["oneOf"] = [
        {"required": [name], "properties": left_out | {name: {"not": {"type": "null"}}}} for name in left_out
    ]


class ClockTurn(Strict):
    """What shall become of a clock: exactly one of these."""

    model_config = ConfigDict(json_schema_extra=_one_of_them)

    freeze: Annotated[bool, AfterValidator(_true), Field(json_schema_extra={"const": True})] | None = None
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


class ClockNow(TypedDict):
    """What a clock shows, how far it is ahead of the real one, and how fast it goes."""

    now: datetime
    ahead_s: float
    speed: Annotated[float, Field(ge=0)]
    frozen: bool


class WorldReset(TypedDict):
    """How many jobs were cancelled or asked to stop, and how many had ended and will be forgotten."""

    cancelled: Annotated[int, Field(ge=0)]
    forgotten: Annotated[int, Field(ge=0)]


_CLOCK: Final = Answer(
    200,
    "What the clock shows.",
    ClockNow,
    examples={"frozen": {"now": "2026-11-02T09:30:00.000Z", "ahead_s": 0.0, "speed": 0.0, "frozen": True}},
)


class Chances(Strict):
    """How often the caller's jobs are to fail; null: as often as the workers were told."""

    error_rate: float | None = Field(ge=0, le=1)


class OddsNow(TypedDict):
    """How often jobs fail; null: as often as the workers were told."""

    error_rate: Annotated[float | None, Field(ge=0, le=1)]


_ODDS: Final = Answer(200, "How often.", OddsNow, examples={"half": {"error_rate": 0.5}})


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

    @operation(_CLOCK)
    def clock(self) -> flask.Response:
        """Say what the caller's clock shows."""
        return self._told(self._clocks.read(client_id()))

    @operation(
        _CLOCK,
        body=Body(
            ClockTurn, {"freeze": {"freeze": True}, "half an hour on": {"advance_s": 1800}, "faster": {"speed": 60}}
        ),
    )
    def move_clock(self) -> flask.Response:
        """Freeze the caller's clock, put it forward, or let it go at a speed."""
        return self._told(self._clocks.move(client_id(), ClockTurn.parse(json_object())))

    @operation(_ODDS)
    def odds(self) -> flask.Response:
        """Say how often the caller's jobs fail that ask for no course of their own."""
        return answer({"error_rate": self._odds.read(client_id())})

    @operation(_ODDS, body=Body(Chances, {"half": {"error_rate": 0.5}, "as the workers": {"error_rate": None}}))
    def set_odds(self) -> flask.Response:
        """Set how often they fail, from the next one on that a worker takes."""
        self._odds.set(client_id(), Chances.parse(json_object()).error_rate)
        return self.odds()

    @operation(Answer(200, "It begins anew.", WorldReset, examples={"three": {"cancelled": 2, "forgotten": 1}}))
    def reset_world(self) -> flask.Response:
        """Begin the caller's world anew: no jobs, no clock of its own, and the seed's first job comes next."""
        found = self._worlds.reset(client_id())
        return answer(WorldReset(cancelled=found.cancelled, forgotten=found.forgotten))

    def _told(self, clock: Clock) -> flask.Response:
        real_s = self._clocks.real_s()
        shown_s = min(LATEST_S, clock.now_s(real_s))
        now = to_rfc3339(datetime.fromtimestamp(shown_s, UTC))
        ahead_s = round(shown_s - real_s, 3) if clock.is_touched else 0.0
        return answer({"now": now, "ahead_s": ahead_s, "speed": clock.speed, "frozen": clock.is_frozen})
