"""The Redis user of each client: its password is the client's token, and all it may do is hear of its own jobs.

Redis forgets its users with a restart, and a replica never knew them: they are made again of what is kept. Where a
Redis allows no such commands there are none, which is noticed and no error.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

import redis
from redis.client import Pipeline

from . import keys
from .credentials import Client
from .settings import without_login

_MARK: Final = "dubq"
"""A user who can do nothing, not even log in: as long as it is there, so are the others."""
_MAY: Final = (
    "-@all",
    "+subscribe",
    "+psubscribe",
    "+unsubscribe",
    "+punsubscribe",
    "+ping",
    "+hello",
    "+client|setname",
)
"""Hear, see whether the line is there, and say on connecting what clients have to say."""


def user_of(client_id: str) -> str:
    """Return the name of a client's Redis user: a URL can hold it, and Redis' own `default` is never meant."""
    return f"dubq-{client_id}"


def url_of(client_id: str, redis_url: str) -> str:
    """Return the URL by which a client's user logs in, without its password: that the client knows itself."""
    scheme, _, place = without_login(redis_url).partition("://")
    return f"{scheme}://{user_of(client_id)}@{place}"


class RedisUsers:
    """Makes and deletes them. `problem` is why this Redis lets us make none, "" as far as we know of no reason."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection
        self.problem = ""

    def set(self, client: Client, now: datetime) -> bool:
        """Make a client's user, or change it to the tokens that live; return whether there is one now."""
        return self._try(lambda pipe: _set(pipe, client, now))

    def restore(self, clients: Iterable[Client], now: datetime) -> None:
        """Make the users of all clients."""

        def ask(pipe: Pipeline) -> None:
            for client in clients:
                _set(pipe, client, now)
            _ask(pipe, "ACL", "SETUSER", _MARK, "reset")

        self._try(ask)

    def are_forgotten(self) -> bool:
        """Whether this Redis does not know the users, though it may be told of them."""
        try:
            return _ask(self._redis, "ACL", "GETUSER", _MARK) is None
        except redis.ResponseError as error:
            self.problem = str(error)
            return False

    def delete(self, client_id: str) -> None:
        """Delete a client's user, and with it its connections."""
        self._try(lambda pipe: _ask(pipe, "ACL", "DELUSER", user_of(client_id)))

    def hang_up(self, client_id: str) -> None:
        """Cut the connections of a client's user: whoever has a token that counts comes back at once."""
        self._try(lambda pipe: _ask(pipe, "CLIENT", "KILL", "USER", user_of(client_id)))

    def _try(self, tell: Callable[[Pipeline], object]) -> bool:
        """Say what is to be said of the users, and return whether this Redis takes it."""
        with self._redis.pipeline(transaction=False) as pipe:
            tell(pipe)
            try:
                pipe.execute()
            except redis.ResponseError as error:
                self.problem = str(error)
                return False
        self.problem = ""
        return True


def _set(pipe: Pipeline, client: Client, now: datetime) -> None:
    """Add to `pipe` what makes a client's user, in one step, whatever it was before."""
    passwords = (f"#{each}" for each in client.live_tokens(now))
    rules = ("reset", "on", *passwords, f"&{keys.channels(client.client_id)}", *_MAY)
    _ask(pipe, "ACL", "SETUSER", user_of(client.client_id), *rules)


def _ask(connection: redis.Redis, *words: str) -> Any:
    """Send a command of which redis-py would read the answer in its own way."""
    return connection.execute_command(*words)  # type: ignore[no-untyped-call]
