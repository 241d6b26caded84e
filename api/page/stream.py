"""The page's streams: those of the API, for whoever may see them, with pings that a browser's EventSource can hear.

It keeps comments to itself, so by them no page could tell a line that was cut from one on which nothing happens.
"""

from functools import partial
from typing import Any, Final, Self

import flask
import redis

from api.caller import admin_only
from api.news import NewsRoutes
from api.stories import EveryStory
from api.streams import EVENTS, RETRY, Pace, tell, unfolding
from store import feed
from store.clients import Clients
from store.door import Caller
from store.hub import Hub

from .scope import all_clients
from .shell import Shell, own_only

_PING: Final = b": ping "


class StreamRoutes:
    """GET /page/events of all clients, for the admin; of one client, and of one job of it."""

    def __init__(
        self, shell: Shell, news: NewsRoutes, clients: Clients, *, connection: redis.Redis, hub: Hub, pace: Pace
    ) -> None:
        self._news, self._clients, self._redis, self._hub, self._pace = news, clients, connection, hub, pace
        add = shell.blueprint.add_url_rule
        add("/page/events", "events", self.of_all)
        add("/page/clients/<name>/events", "client_events", self.of_client)
        add("/page/clients/<name>/jobs/<job_id>/events", "job_events", self.of_job)

    def of_all(self) -> flask.Response:
        """Tell every change of every client's jobs from now on."""
        admin_only()
        waiter = self._hub.join(None)
        try:
            at = {each: feed.end(self._redis, each) for each in all_clients(self._clients)}
        except redis.RedisError:
            waiter.leave()
            raise
        story = EveryStory(partial(all_clients, self._clients), partial(feed.since, self._redis), at)
        return _audible(unfolding(tell(waiter, story, RETRY, pace=self._pace), waiter, EVENTS))

    def of_client(self, name: str) -> flask.Response:
        """Tell every change of one client's jobs, from where the reader left off."""
        _act_for(name)
        return _audible(self._news.of_client())

    def of_job(self, name: str, job_id: str) -> flask.Response:
        """Tell one job as it is, each change, and the end."""
        _act_for(name)
        return _audible(self._news.of_job(job_id))


class Audible:
    """A body that says each ping as an event as well."""

    __slots__ = ("_body",)

    def __init__(self, body: Any) -> None:
        self._body = body

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        part: bytes = next(self._body)
        if not part.startswith(_PING):
            return part
        within_s = part[len(_PING) : part.index(b"\n")]
        return part + b"event: ping\ndata: " + within_s + b"\n\n"

    def close(self) -> None:
        """Give up what the body holds."""
        self._body.close()


def _audible(response: flask.Response) -> flask.Response:
    if response.status_code == 200:  # noqa: PLR2004 - 204 has no body
        response.response = Audible(response.response)
    return response


def _act_for(name: str) -> None:
    """Let the admin act for a client, and everybody for themselves. Raises RouteNotFoundError."""
    own_only(name)
    flask.g.caller = Caller(name, is_admin=flask.g.caller.is_admin)
