"""How often a client's simulated jobs fail, where it has said so: those that ask for no course of their own."""

from typing import cast

import redis

from . import keys


class Odds:
    """Reads and sets error rates, from 0 to 1."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def read(self, client_id: str) -> float | None:
        """Return a client's error rate, None if it has none of its own."""
        kept = cast("bytes | None", self._redis.get(keys.odds(client_id)))
        return None if kept is None else float(kept)

    def set(self, client_id: str, error_rate: float | None) -> None:
        """Give a client an error rate of its own; None: its jobs fail as often as the workers were told."""
        if error_rate is None:
            self._redis.delete(keys.odds(client_id))
        else:
            self._redis.set(keys.odds(client_id), repr(error_rate))
