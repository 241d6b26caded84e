"""The routes about the service itself: is it alive, can it work, which roads lead to news."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Any, Final, Literal

import flask
import redis
from pydantic import Field
from typing_extensions import TypedDict

from contract.errors import ServiceUnavailableError
from store import census, health, keys
from store.clients import Clients
from store.health import Check, Health, Verdict
from store.hub import Hub
from store.records import to_ms
from store.redis_users import url_of

from .caller import caller
from .incoming import MAX_WAIT_S
from .operations import Access, Answer, operation
from .outgoing import answer
from .problems import problem
from .settings import ApiSettings


class Alive(TypedDict):
    """That it answers."""

    status: Literal["ok"]


class Found(TypedDict):
    """What a check has come to."""

    state: Verdict
    reason: str


class Ready(TypedDict):
    """That a job would be worked on now; `degraded`: a person should look at what a check warns of."""

    status: Literal["ok", "degraded"]
    redis: bool
    workers: Annotated[int | None, Field(ge=0)]
    checks: dict[str, Found]


class RedisRoad(TypedDict):
    """Where to subscribe, without the password, and to what."""

    url: str
    channel: str


class Roads(TypedDict):
    """The roads on which this caller can hear of its jobs."""

    client_id: str
    redis: RedisRoad | None
    sse: bool
    long_poll_s: Annotated[int, Field(ge=0, description="For so long an answer is held at most.")]


_READY: Final = Ready(
    status="ok", redis=True, workers=2, checks={"workers": {"state": Verdict.OK, "reason": "2 workers listen"}}
)
_ROADS: Final = Roads(
    client_id="acme",
    redis=RedisRoad(url="redis://acme@redis.example.com:6379/0", channel="dubq:events:acme:*"),
    sse=True,
    long_poll_s=MAX_WAIT_S,
)


class ServiceRoutes:
    """GET /healthz, /readyz and /connect. `clock` returns aware UTC times; `hub` knows whether it is fed with news."""

    def __init__(
        self,
        settings: ApiSettings,
        connection: redis.Redis,
        clients: Clients,
        *,
        hub: Hub,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings, self._redis, self._clients = settings, connection, clients
        self._hub, self._clock = hub, clock

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/healthz", view_func=self.alive)
        app.add_url_rule("/readyz", view_func=self.ready)
        app.add_url_rule("/connect", view_func=self.roads)

    @operation(Answer(200, "It does.", Alive, examples={"ok": Alive(status="ok")}), access=Access.OPEN)
    def alive(self) -> flask.Response:
        """Say that this process answers; it asks nobody else."""
        return answer(Alive(status="ok"))

    @operation(
        Answer(200, "It would.", Ready, examples={"ok": _READY}),
        errors=(ServiceUnavailableError,),
        access=Access.OPEN,
    )
    def ready(self) -> flask.Response:
        """Say whether a job that is submitted now would be worked on, and what stands in the way of it if not."""
        workers, checks = self._look()
        words = {check.name: {"state": check.verdict.value, "reason": check.reason} for check in checks}
        facts: dict[str, Any] = {"redis": workers is not None, "workers": workers, "checks": words}
        failing = [check.reason for check in checks if check.verdict is Verdict.FAILING]
        if failing:
            return problem(ServiceUnavailableError("; ".join(failing)), **facts)
        is_whole = all(check.verdict is Verdict.OK for check in checks)
        return answer({"status": "ok" if is_whole else "degraded", **facts})

    def _look(self) -> tuple[int | None, list[Check]]:
        """Return how many workers there are (None: nobody knows), and what was found."""
        news = health.fed(is_fed=self._hub.is_fed)
        try:
            began_s = monotonic()
            seconds, micros = self._redis.time()
            took_s = monotonic() - began_s
            now = self._clock()
            stands, found = Health.read(self._redis), census.take(self._redis, to_ms(now))
        except redis.RedisError:
            return None, [health.reached(None), news]
        theirs = datetime.fromtimestamp(seconds + micros / 1e6 + took_s / 2, UTC)
        return found.workers, [
            health.reached(took_s),
            *stands.checks(),
            health.staffed(found.workers),
            health.swept(found.swept_s),
            news,
            health.in_step((now - theirs).total_seconds()),
        ]

    @operation(Answer(200, "The roads.", Roads, examples={"all of them": _ROADS}), name="connect")
    def roads(self) -> flask.Response:
        """Say by which roads this caller can hear of its jobs, besides asking."""
        client_id, url = caller().client_id, self._redis_url()
        road = RedisRoad(url=url, channel=keys.channels(client_id)) if url else None
        return answer(Roads(client_id=client_id, redis=road, sse=True, long_poll_s=MAX_WAIT_S))

    def _redis_url(self) -> str | None:
        """Return where the caller can subscribe; with tokens, where its own user may log in, which is sure to be there.

        The password is the caller's token: no answer repeats that.
        """
        url, who = self._settings.public_redis_url, caller()
        if url is None or not self._settings.auth:
            return url
        # the admin has no Redis user: whoever has its token looks after the service, and can subscribe as it does
        if who.is_admin or not self._clients.make_redis_user(who.client_id):
            return None
        return url_of(who.client_id, url)
