"""Tenants: makes and deletes them, changes their tokens and their limits.

Redis keeps a client's record, and for each of its tokens a key that ends when the token does: so that whoever asks
whom a token belongs to (`door`) reads one key. Only the SHA-256 of a token is kept.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, cast

import redis
from redis.client import Pipeline

from contract.errors import ClientExistsError, ClientNotFoundError

from . import clocks, keys
from .credentials import ENTROPY_BYTES, Client, Held, new_token, sha256
from .limits import Changes, Own, change, own
from .records import now_utc, to_ms
from .redis_users import RedisUsers
from .secrets import WebhookSecrets

LONGEST_OVERLAP_S: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is shown once to whoever has made a client or changed its token."""

    client_id: str
    token: str
    webhook_secret: str


class Clients:
    """The tenants. `clock` returns aware UTC times in whole milliseconds, `random` as many bytes as it is asked for.

    A client's Redis user is changed with it, where the Redis allows that; what is open in its name is let go.
    """

    def __init__(
        self,
        connection: redis.Redis,
        clock: Callable[[], datetime] = now_utc,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._redis, self._clock, self._random = connection, clock, random
        self._webhook_secrets = WebhookSecrets(connection, clock, random)
        self.redis_users = RedisUsers(connection)

    def create(self, client_id: str, limits: Changes = MappingProxyType({})) -> Credentials:
        """Make a client with limits of its own, if it gets any.

        Raises ClientExistsError, also while there are jobs of a deleted one of this name.
        """
        token, now = new_token(self._random(ENTROPY_BYTES)), self._clock()

        def write(pipe: Pipeline) -> None:
            if pipe.exists(keys.client(client_id)):
                raise ClientExistsError(f"there is a client {client_id} already")
            was_deleted = pipe.sismember(keys.DELETED, client_id)
            if was_deleted and pipe.zcard(keys.listing(client_id)):
                raise ClientExistsError(
                    f"there are still jobs of a deleted client {client_id}; choose another client_id"
                )
            pipe.multi()
            if was_deleted:
                pipe.srem(keys.DELETED, client_id)
                _forget_past(pipe, client_id)
            client = Client(client_id=client_id, created_at=now, tokens=(Held(sha256(token)),))
            pipe.zadd(keys.CLIENTS, {client_id: to_ms(now)})
            _keep(pipe, client, now)
            change(pipe, client_id, limits)

        self._redis.transaction(write, keys.client(client_id), keys.DELETED, keys.listing(client_id))
        self.make_redis_user(client_id)
        return Credentials(client_id, token, self._webhook_secrets.rotate(client_id))

    def rotate(self, client_id: str, overlap_s: float) -> Credentials:
        """Give a client a new token and a new webhook secret; those that it has live on for `overlap_s`.

        All that is open in the client's name is let go once: whoever has a token that counts is back at once.
        Raises ClientNotFoundError.
        """
        token, now, overlap = new_token(self._random(ENTROPY_BYTES)), self._clock(), timedelta(seconds=overlap_s)
        self._change(client_id, now, lambda client: client.rotate(sha256(token), now, overlap))
        self._settle(client_id, now)
        return Credentials(client_id, token, self._webhook_secrets.rotate(client_id, overlap_s=overlap_s))

    def change_limits(self, client_id: str, changes: Changes) -> None:
        """Give a client limits of its own, or take them away. Raises ClientNotFoundError."""

        def write(pipe: Pipeline) -> None:
            _parse(pipe.get(keys.client(client_id)), client_id)
            pipe.multi()
            change(pipe, client_id, changes)

        self._redis.transaction(write, keys.client(client_id))

    def limits(self, client_id: str) -> Own:
        """Return the limits of its own that a client has."""
        return own(self._redis, client_id)

    def retire(self) -> list[str]:
        """Let go of the tokens whose time is over; return whose they were. To be called every second or so."""
        now = self._clock()
        due = cast("list[bytes]", self._redis.zrangebyscore(keys.RETIRING, "-inf", to_ms(now)))
        retired = [client_id.decode() for client_id in due]
        for client_id in retired:
            self._settle(client_id, now)
        return retired

    def delete(self, client_id: str) -> None:
        """End a client's tokens and its Redis user at once; nobody can read its jobs, which go on to their end.

        Raises ClientNotFoundError.
        """
        now = self._clock()

        def write(pipe: Pipeline) -> None:
            client = _parse(pipe.get(keys.client(client_id)), client_id)
            pipe.multi()
            pipe.delete(keys.client(client_id), *(keys.token(each.value) for each in client.tokens))
            pipe.zrem(keys.CLIENTS, client_id)
            pipe.zadd(keys.RETIRING, {client_id: to_ms(now)})
            pipe.sadd(keys.DELETED, client_id)
            _forget_past(pipe, client_id)

        self._redis.transaction(write, keys.client(client_id))
        self._settle(client_id, now)

    def forget_deleted(self) -> None:
        """Drop what is left of deleted clients whose last job is forgotten; their names are free from then on."""
        for member in cast("set[bytes]", self._redis.smembers(keys.DELETED)):
            client_id = member.decode()

            def drop(pipe: Pipeline, client_id: str = client_id) -> None:
                has_jobs = pipe.exists(keys.listing(client_id))
                pipe.multi()
                if not has_jobs:
                    pipe.srem(keys.DELETED, client_id)
                    _forget_past(pipe, client_id)

            self._redis.transaction(drop, keys.listing(client_id), keys.DELETED, keys.client(client_id))

    def read(self, client_id: str) -> Client:
        """Return one client. Raises ClientNotFoundError."""
        return _parse(self._redis.get(keys.client(client_id)), client_id)

    def list(self) -> list[Client]:
        """Return all clients, in the order in which they were made."""
        client_ids = cast("list[bytes]", self._redis.zrange(keys.CLIENTS, 0, -1))
        texts = self._redis.mget(keys.client(each.decode()) for each in client_ids) if client_ids else []
        return [Client.parse(text) for text in cast("list[bytes | None]", texts) if text]

    def make_redis_user(self, client_id: str) -> bool:
        """Make a client's Redis user, and return whether this Redis allows that. Raises ClientNotFoundError."""
        return self.redis_users.set(self.read(client_id), self._clock())

    def restore_redis_users(self) -> None:
        """Make the Redis users again if this Redis has forgotten them: it was restarted, or is another one now."""
        if self.redis_users.are_forgotten():
            self.redis_users.restore(self.list(), self._clock())

    def make_admin(self) -> str | None:
        """Return a token for the admin, which is shown to nobody ever again; None if one was made before."""
        token = new_token(self._random(ENTROPY_BYTES), is_admin=True)
        return token if self._redis.set(keys.ADMIN, sha256(token), nx=True) else None

    def _change(self, client_id: str, now: datetime, change: Callable[[Client], Client]) -> None:
        """Change a client in one step. Raises ClientNotFoundError."""

        def write(pipe: Pipeline) -> None:
            old = _parse(pipe.get(keys.client(client_id)), client_id)
            new = change(old)
            pipe.multi()
            pipe.delete(*(keys.token(each.value) for each in old.tokens))
            _keep(pipe, new, now)

        self._redis.transaction(write, keys.client(client_id))

    def _settle(self, client_id: str, now: datetime) -> None:
        """Let go of all that a client's tokens have opened, and only then of those that have ended.

        So it is done again, by whoever comes next, if it is not done to its end.
        """
        try:
            client = self.read(client_id)
        except ClientNotFoundError:
            self.redis_users.delete(client_id)
            self._redis.publish(keys.expelled(client_id), "")
            self._redis.zrem(keys.RETIRING, client_id)
            return
        self.redis_users.set(client, now)
        self.redis_users.hang_up(client_id)
        self._redis.publish(keys.expelled(client_id), "")
        self._change(client_id, now, lambda client: client.without_ended(now))


def _keep(pipe: Pipeline, client: Client, now: datetime) -> None:
    """Add to `pipe` what writes a client and its tokens."""
    pipe.set(keys.client(client.client_id), client.encode())
    for each in client.tokens:
        if each.is_live(now):
            pipe.set(
                keys.token(each.value), client.client_id, px=to_ms(each.until) - to_ms(now) if each.until else None
            )
    end = client.next_end()
    if end is None:
        pipe.zrem(keys.RETIRING, client.client_id)
    else:
        pipe.zadd(keys.RETIRING, {client.client_id: to_ms(end)})


def _forget_past(pipe: Pipeline, client_id: str) -> None:
    """Add to `pipe` what drops the traces that a client leaves besides its jobs."""
    traces = (keys.feed, keys.single, keys.ordinal, keys.webhook_secrets, keys.targets, keys.limits, keys.odds)
    pipe.delete(*(key(client_id) for key in traces))
    clocks.forget(pipe, client_id)  # its jobs go on to their end, also those that stand still by it


def _parse(held: object, client_id: str) -> Client:
    if not isinstance(held, bytes):
        raise ClientNotFoundError(f"there is no client {client_id}")
    return Client.parse(held)
