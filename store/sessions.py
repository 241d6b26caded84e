"""Sessions of people at the page: each stands for a token, and ends with it, with its time, or when it is ended.

Redis keeps the SHA-256 of what the browser has, and under it the SHA-256 of the token: neither lets anybody in.
"""

import os
from collections.abc import Callable
from typing import Final

import redis

from . import keys
from .credentials import ENTROPY_BYTES, new_session, sha256

KEPT_S: Final = 12 * 3600
"""A working day; then the token has to be shown again."""


class Sessions:
    """The sessions. `random` returns as many bytes as it is asked for."""

    def __init__(self, connection: redis.Redis, random: Callable[[int], bytes] = os.urandom) -> None:
        self._redis, self._random = connection, random

    def begin(self, token_sha256: str) -> str:
        """Return what a browser is to show from now on in the place of a token."""
        session = new_session(self._random(ENTROPY_BYTES))
        self._redis.set(keys.session(sha256(session)), token_sha256, ex=KEPT_S)
        return session

    def token_of(self, session: str) -> str | None:
        """Return the SHA-256 of the token that a session stands for; None if it is none, or none any more."""
        held = self._redis.get(keys.session(sha256(session)))
        return held.decode() if isinstance(held, bytes) else None

    def end(self, session: str) -> None:
        """End a session. May be said twice."""
        self._redis.delete(keys.session(sha256(session)))
