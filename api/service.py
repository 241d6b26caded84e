"""The routes about the service itself: is it alive, can it work, which roads lead to news."""

import flask
import redis

from contract.errors import ServiceUnavailableError
from store import keys
from store.workers import count_workers

from .caller import client_id
from .incoming import MAX_WAIT_S
from .outgoing import answer
from .problems import problem
from .settings import ApiSettings


class ServiceRoutes:
    """GET /healthz, /readyz and /connect."""

    def __init__(self, settings: ApiSettings, connection: redis.Redis) -> None:
        self._settings, self._redis = settings, connection

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
        caller, url = client_id(), self._settings.public_redis_url
        road = {"url": url, "channel": keys.channel(caller, "*")} if url else None
        return answer({"client_id": caller, "redis": road, "sse": True, "long_poll_s": MAX_WAIT_S})
