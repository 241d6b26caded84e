"""A worker process's sign of life: a subscription of its own, which ends with the process.

The kernel closes what a killed process had open, so Redis knows at once that nobody is subscribed any more, whatever
killed it and however long its leases last. A frozen process stays subscribed, and runs into its leases.
"""

import math
import threading
import time
from collections.abc import Callable
from typing import Final, Self, cast
from uuid import uuid4

import redis
from redis.client import PubSub
from redis.exceptions import RedisError, ResponseError

from . import keys
from .keys import Ref
from .vigil import Vigil, left_behind

ANSWER_S: Final = 2.0
"""How long to wait for Redis to confirm the subscription."""
LOOK_S: Final = 0.25
"""How often the line is looked at: a process of many runs has as many beats."""


class Presence:
    """Says that this process is there, under the name `holder`: one for all runs that the process holds.

    To be made after the last fork. Its connection comes from `connection`'s pool, and stays taken. `clock` is monotonic
    seconds.
    """

    def __init__(
        self,
        connection: redis.Redis,
        holder: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis, self._holder, self._clock = connection, holder or uuid4().hex, clock
        self._next_s = -math.inf
        self._line: PubSub | None = None
        self._busy = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def announce(self) -> str:
        """Return the name that Redis knows this process by; "" if it cannot be had now, or is not allowed.

        Runs without such a name are protected by their leases alone.
        """
        self.keep()
        return self._holder if self._line else ""

    def keep(self) -> None:
        """See to it that the subscription stands. Costs no round trip while it does; any thread may call it."""
        if self._clock() < self._next_s or not self._busy.acquire(blocking=False):
            return  # somebody has just looked, or is at it
        try:
            self._line = self._line or self._subscribed()
            while self._line.get_message(timeout=0):  # it subscribes again by itself if it was cut off
                pass
        except RedisError:
            self._drop()  # a later beat tries again
        finally:
            self._next_s = self._clock() + LOOK_S
            self._busy.release()

    def close(self) -> None:
        """Give the connection back: whoever holds runs under this name now has left them."""
        with self._busy:
            self._drop()
            self._next_s = -math.inf

    def _subscribed(self) -> PubSub:
        line: PubSub = self._redis.pubsub()  # type: ignore[no-untyped-call]  # redis-py has no hint here
        try:
            line.subscribe(keys.presence(self._holder))
            line.get_message(timeout=ANSWER_S)
        except BaseException:
            line.close()
            raise
        return line

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None


def present(connection: redis.Redis, holders: set[str]) -> set[str]:
    """Return which of `holders` are there: all of them if Redis does not let us ask, so that leases decide alone."""
    if not holders:
        return set()
    names = {keys.presence(holder): holder for holder in holders}
    try:
        counted = cast("list[tuple[bytes, int]]", connection.pubsub_numsub(*names))
    except ResponseError:
        return holders
    return {names[channel.decode()] for channel, listening in counted if listening}


def abandoned(connection: redis.Redis, refs: list[Ref]) -> list[Ref]:
    """Return those of some silent runs whose holder is not there."""
    with connection.pipeline(transaction=False) as pipe:
        for ref in refs:
            pipe.hget(keys.record(ref), "holder")
        holders = [(holder or b"").decode() for holder in cast("list[bytes | None]", pipe.execute())]
    return left_behind(dict(zip(refs, holders, strict=True)), present(connection, set(holders) - {""}))


def keep_vigil(connection: redis.Redis, now_ms: int) -> Vigil:
    """Note that somebody sweeps now, and return how sweeps have come."""
    last, since, server = cast("list[bytes | None]", connection.hmget(keys.SWEPT, "last", "since", "server"))
    before = None
    if last and since and server is not None:
        before = Vigil(since_ms=int(since), last_ms=int(last), server=server.decode())
    vigil = Vigil.kept(before, now_ms, run_of_server(connection))
    facts = {"last": vigil.last_ms, "since": vigil.since_ms, "server": vigil.server}
    connection.hset(keys.SWEPT, mapping=facts)  # type: ignore[arg-type]  # a dict of str and int is one of values
    return vigil


def run_of_server(connection: redis.Redis) -> str:
    """Return what names this run of the server, or "" if it does not say."""
    try:
        return str(connection.info("server")["run_id"])
    except ResponseError:
        return ""  # we may not ask
