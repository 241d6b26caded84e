"""What each client may have: its requests are counted before a route is entered, and answers tell how it stands."""

from typing import Any, Final

import flask
import redis
from typing_extensions import TypedDict

from contract.errors import RateLimitedError
from contract.limits import Limit, Limits, Rate
from store import limits as kept
from store.door import Caller
from store.pace import Pace, Standing

from .batch import MAX_BODY_BYTES, MAX_JOBS
from .caller import caller, client_id
from .incoming import MAX_WAIT_S
from .operations import Answer, operation
from .outgoing import answer
from .parameters import MAX_IDS
from .quotas import tell_standing
from .settings import ApiSettings

ADMIN: Final = "_admin"
"""In this name the admin's requests are counted, whomever it acts for; no client has it."""


class Limiter:
    """Counts requests. A client is whoever its token says; nothing that a caller may choose counts."""

    def __init__(self, settings: ApiSettings, pace: Pace) -> None:
        self._settings, self._pace = settings, pace

    def mount(self, app: flask.Flask) -> None:
        """Have every request of `app` counted whose caller is known, and its answer tell how the caller stands."""
        app.before_request(self._count)
        app.after_request(_tell)

    def _count(self) -> None:
        """Count a request. Raises RateLimitedError."""
        who: Caller | None = flask.g.get("caller")
        if who is None:
            return
        standing = self._standing(who)
        if standing is None:
            return
        flask.g.standing = standing
        if standing.is_over:
            rate = standing.rate
            said = f"you may make {rate.most} requests in {rate.within_s} s"
            raise RateLimitedError(said, most=rate.most, retry_after_s=standing.again_s)

    def _standing(self, who: Caller) -> Standing | None:
        settings = self._settings
        try:
            if settings.auth:
                of_admin = who.is_admin
                name, rate = (ADMIN, settings.admin_requests) if of_admin else (who.client_id, settings.limits.requests)
                return self._pace.count(name, rate)
            # nobody has limits of its own where everybody is the admin
            return self._pace.count(who.client_id, settings.limits.requests) if settings.limits.requests else None
        except redis.exceptions.OutOfMemoryError:
            return None  # a full Redis can be read, and refuses by itself whatever would add to it


def _tell(response: flask.Response) -> flask.Response:
    standing: Standing | None = flask.g.get("standing")
    if standing is not None:
        tell_standing(response, standing)
    return response


class InForce(TypedDict):
    """Limits; null for as much as one likes."""

    requests: str | None
    queued: int | str | None
    running: int | str | None
    streams: int | str | None


class Used(TypedDict):
    """How many jobs there are."""

    queued: int
    running: int


class Told(InForce):
    """What the caller may have, and what it has."""

    client_id: str
    used: Used
    batch_jobs: int
    ids: int
    body_bytes: int
    batch_body_bytes: int
    long_poll_s: int


_TOLD: Final = {
    "client_id": "acme",
    "requests": "100/s",
    "queued": 500,
    "running": None,
    "streams": 100,
    "used": {"queued": 3, "running": 1},
    "batch_jobs": MAX_JOBS,
    "ids": MAX_IDS,
    "body_bytes": 1_048_576,
    "batch_body_bytes": MAX_BODY_BYTES,
    "long_poll_s": MAX_WAIT_S,
}


class LimitRoutes:
    """GET /limits: what the caller may have, and what it has."""

    def __init__(self, settings: ApiSettings, connection: redis.Redis) -> None:
        self._settings, self._redis = settings, connection

    def mount(self, app: flask.Flask) -> None:
        """Put the route into `app`."""
        app.add_url_rule("/limits", view_func=self.of_caller)

    @operation(Answer(200, "The limits.", Told, examples={"some": _TOLD}), name="limits")
    def of_caller(self) -> flask.Response:
        """Say what the caller may have, null for as much as it likes, and what it has in the queue and running."""
        told: dict[str, Any] = {"client_id": client_id()}
        own = kept.own(self._redis, client_id())
        told |= in_force(self._settings.limits, own)
        if self._settings.auth and caller().is_admin:
            told[Limit.REQUESTS] = shown(self._settings.admin_requests)
        told["used"] = kept.used(self._redis, client_id())
        told |= {"batch_jobs": MAX_JOBS, "ids": MAX_IDS, "body_bytes": self._settings.max_body_bytes}
        told |= {"batch_body_bytes": MAX_BODY_BYTES, "long_poll_s": MAX_WAIT_S}
        return answer(told)


def in_force(limits: Limits, own: kept.Own) -> dict[str, str | int | None]:
    """Return the limits of a client that has `own` ones, as JSON has them."""
    return {limit: shown(own[limit] if limit in own else limits.of(limit)) for limit in Limit}


def shown(limit: Rate | int | None) -> str | int | None:
    """Return a limit as JSON has it; null for none."""
    return str(limit) if isinstance(limit, Rate) else limit
