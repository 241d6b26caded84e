"""The routes about the service itself: is it alive, can it work, which roads lead to news."""

import flask
import redis

from contract.errors import ServiceUnavailableError
from store import keys
from store.clients import Clients
from store.redis_users import url_of
from store.workers import count_workers

from .caller import caller
from .incoming import MAX_WAIT_S
from .outgoing import answer
from .problems import problem
from .settings import ApiSettings


class ServiceRoutes:
    """GET /healthz, /readyz and /connect."""

    def __init__(self, settings: ApiSettings, connection: redis.Redis, clients: Clients) -> None:
        self._settings, self._redis, self._clients = settings, connection, clients

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/healthz", view_func=self.alive)
        app.add_url_rule("/readyz", view_func=self.ready)
        app.add_url_rule("/connect", view_func=self.roads)

    def alive(self) -> flask.Response:
        """Say that this process answers; it asks nobody else."""
        return answer({"status": "ok"})

    def ready(self) -> flask.Response:
        """Say whether a job that is submitted now would be worked on."""
        try:
            workers = count_workers(self._redis)
        except redis.RedisError:
            return problem(ServiceUnavailableError("Redis cannot be reached"), redis=False, workers=None)
        if not workers:
            return problem(ServiceUnavailableError("no worker is running"), redis=True, workers=0)
        return answer({"status": "ok", "redis": True, "workers": workers})

    def roads(self) -> flask.Response:
        """Say by which roads this caller can hear of its jobs, besides asking."""
        client_id, url = caller().client_id, self._redis_url()
        road = {"url": url, "channel": keys.channels(client_id)} if url else None
        return answer({"client_id": client_id, "redis": road, "sse": True, "long_poll_s": MAX_WAIT_S})

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
