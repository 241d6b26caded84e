"""What a client's webhooks are signed with: secrets that take over from one another.

They are kept as they are, for whoever signs has to have them; whoever can read this Redis could write jobs as well.
"""

import base64
import math
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, cast

import redis
from redis.client import Pipeline

from . import keys
from .records import now_utc, to_ms

SECRET_BYTES: Final = 32
OVERLAP_S: Final = 86_400.0
"""For so long an old secret goes on signing beside its successor."""


class WebhookSecrets:
    """The secrets. `clock` returns aware UTC times; `entropy` makes so many random bytes."""

    def __init__(
        self,
        connection: redis.Redis,
        clock: Callable[[], datetime] = now_utc,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._redis, self._clock, self._entropy = connection, clock, entropy

    def live(self, client_id: str) -> tuple[str, ...]:
        """Return the secrets that sign now, the newest first; one is made where there is none."""
        key = keys.webhook_secrets(client_id)
        return self._read(key) or self._first(key)

    def rotate(self, client_id: str, *, overlap_s: float = OVERLAP_S) -> str:
        """Make a new secret and return it; those before sign beside it for `overlap_s` more, and no longer."""
        key, now = keys.webhook_secrets(client_id), self._clock()
        secret, ends_ms = self._made(), to_ms(now + timedelta(seconds=overlap_s))

        def turn(pipe: Pipeline) -> None:
            old = cast("list[bytes]", pipe.zrange(key, 0, -1))
            pipe.multi()
            if old:
                pipe.zadd(key, dict.fromkeys(old, ends_ms), lt=True)
            pipe.zadd(key, {secret: math.inf})
            pipe.zremrangebyscore(key, "-inf", to_ms(now))

        self._redis.transaction(turn, key)
        return secret

    def _first(self, key: str) -> tuple[str, ...]:
        """Make the first secret, unless another process has just done so."""
        secret = self._made()

        def make(pipe: Pipeline) -> None:
            is_there = pipe.zcard(key)
            pipe.multi()
            if not is_there:
                pipe.zadd(key, {secret: math.inf})

        self._redis.transaction(make, key)
        return self._read(key)

    def _read(self, key: str) -> tuple[str, ...]:
        living = self._redis.zrevrangebyscore(key, math.inf, f"({to_ms(self._clock())}")
        return tuple(each.decode() for each in cast("list[bytes]", living))

    def _made(self) -> str:
        return "whsec_" + base64.b64encode(self._entropy(SECRET_BYTES)).decode()
