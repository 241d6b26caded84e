"""The route about how the service does: how it stands, and the last hour minute by minute."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import flask
import redis

from contract.job import to_rfc3339
from store import census, tally
from store.hour import MINUTES, Hour
from store.minutes import MINUTE_MS, Minutes, measured
from store.records import to_ms
from store.workers import crew

from .caller import admin_only
from .outgoing import answer


class StatisticsRoutes:
    """GET /statistics, for the admin. `clock` returns aware UTC times."""

    def __init__(self, connection: redis.Redis, clock: Callable[[], datetime]) -> None:
        self._redis, self._clock = connection, clock
        self._minutes = Minutes(connection, clock)

    def mount(self, app: flask.Flask) -> None:
        """Put the route into `app`."""
        app.add_url_rule("/statistics", view_func=self.statistics)

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
