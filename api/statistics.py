"""The route about how the service does: how it stands, and the last hour minute by minute."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import flask
import redis
from pydantic import Field
from typing_extensions import TypedDict

from contract.job import to_rfc3339
from store import census, tally
from store.hour import MINUTES, Hour
from store.minutes import MINUTE_MS, Minutes, measured
from store.records import to_ms
from store.workers import Worker, crew

from .caller import admin_only
from .operations import Access, Answer, operation
from .outgoing import answer


class Standing(TypedDict):
    """How the service stands; by priority what waits, and for how long its first has."""

    queued: dict[str, int]
    oldest_s: dict[str, float]
    retrying: int
    running: int
    kept: int
    owed: int
    workers: list[Worker]
    slots: int
    processes: int
    streams: int
    swept_s: float | None


class Took(TypedDict):
    """How many times there were, and what half and nine tenths of them were not longer than."""

    count: int
    p50_s: float
    p90_s: float


class Whole(TypedDict):
    """The hour in one."""

    counted: dict[str, int]
    durations: dict[str, Took | None]
    error_rate: float | None


class Statistics(TypedDict):
    """How the service stands, and its last hour: series have a value for each minute, null where it is not known."""

    at: datetime
    now: Standing
    minutes: Annotated[list[datetime], Field(description="When each begins.")]
    counted: dict[str, list[int | None]]
    measured: dict[str, list[float | None]]
    durations: dict[str, list[Took | None]]
    whole: Whole


_EXAMPLE: Final = {
    "at": "2026-11-02T09:30:12.345Z",
    "now": {
        "queued": {"high": 0, "default": 2, "low": 0},
        "oldest_s": {"high": 0.0, "default": 1.2, "low": 0.0},
        "retrying": 0,
        "running": 3,
        "kept": 120,
        "owed": 0,
        "workers": [{"name": "w1", "queues": ["webhooks", "default"], "host": "a", "pid": 7, "slots": 500, "holds": 3}],
        "slots": 500,
        "processes": 1,
        "streams": 4,
        "swept_s": 0.4,
    },
    "minutes": ["2026-11-02T09:29:00.000Z", "2026-11-02T09:30:00.000Z"],
    "counted": {"completed": [7, 2]},
    "measured": {"running": [3, 3]},
    "durations": {"run": [{"count": 7, "p50_s": 9.5, "p90_s": 14.1}, None]},
    "whole": {
        "counted": {"completed": 9},
        "durations": {"run": {"count": 7, "p50_s": 9.5, "p90_s": 14.1}},
        "error_rate": 0.1,
    },
}


class StatisticsRoutes:
    """GET /statistics, for the admin. `clock` returns aware UTC times."""

    def __init__(self, connection: redis.Redis, clock: Callable[[], datetime]) -> None:
        self._redis, self._clock = connection, clock
        self._minutes = Minutes(connection, clock)

    def mount(self, app: flask.Flask) -> None:
        """Put the route into `app`."""
        app.add_url_rule("/statistics", view_func=self.statistics)

    @operation(Answer(200, "All of it.", Statistics, examples={"two minutes": _EXAMPLE}), access=Access.ADMIN)
    def statistics(self) -> flask.Response:
        """Say how the service stands and how its last hour went."""
        admin_only()
        return answer(self.found())

    def found(self) -> dict[str, Any]:
        """Return what there is to say, as JSON types."""
        now, last = self._clock(), self._minutes.now
        standing = census.take(self._redis, to_ms(now))
        minutes = range(last - MINUTES + 1, last + 1)
        hour = Hour(self._minutes.read(minutes), {**tally.read(self._redis), **measured(standing)})
        workers = [each.to_wire() for each in crew(self._redis)]
        return {
            "at": to_rfc3339(now),
            "now": asdict(standing) | {"workers": workers},
            "minutes": [_begin(minute) for minute in minutes],
            **hour.to_wire(),
        }


def _begin(minute: int) -> str:
    return to_rfc3339(datetime.fromtimestamp(minute * MINUTE_MS / 1000, UTC))
