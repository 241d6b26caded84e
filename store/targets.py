"""Whom clients want to have told of their jobs' ends, besides webhooks.

The URLs are kept as they are, for whoever sends has to have them, as the webhooks' secrets are; but they are shown to
nobody again.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, cast

import redis
from redis.client import Pipeline

from contract.job import Job
from contract.notice import MOST_TARGETS, Target

from . import keys

FRESH: Final = timedelta(seconds=1)
"""How long a process relies on what it has read: it asks with each end of a job."""
MOST_KNOWN: Final = 10_000


class Targets:
    """The targets of all clients. `clock` returns aware UTC times."""

    def __init__(self, connection: redis.Redis, clock: Callable[[], datetime]) -> None:
        self._redis, self._clock = connection, clock
        self._known: dict[str, tuple[list[Target], datetime]] = {}

    def of_client(self, client_id: str) -> list[Target]:
        """Return a client's targets, in the order of their ids."""
        return _parsed(self._redis.hgetall(keys.targets(client_id)))

    def read(self, client_id: str, target_id: str) -> Target | None:
        """Return one target, None if it is not there any more."""
        text = cast("bytes | None", self._redis.hget(keys.targets(client_id), target_id))
        return None if text is None else Target.parse(target_id, text)

    def add(self, client_id: str, target: Target) -> Target | None:
        """Keep a target and return it, None if there is no room for it.

        Where its URL is kept already, that one stays and has other ends now: so it may be sent again.
        """
        key = keys.targets(client_id)

        def write(pipe: Pipeline) -> Target | None:
            found = _parsed(pipe.hgetall(key))
            same = next((each for each in found if each.url == target.url), None)
            if same is None and len(found) >= MOST_TARGETS:
                return None
            kept = target if same is None else replace(same, on=target.on)
            pipe.multi()
            pipe.hset(key, kept.target_id, kept.encode())
            return kept

        kept = self._redis.transaction(write, key, value_from_callable=True)  # type: ignore[arg-type]  # it returns that
        return cast("Target | None", kept)

    def remove(self, client_id: str, target_id: str) -> bool:
        """Forget a target, and return whether it was there. What is owed to it is not sent any more."""
        return bool(self._redis.hdel(keys.targets(client_id), target_id))

    def wanting(self, job: Job) -> Iterable[Target]:
        """Return those who are to be told of a job's end, as they were within the last second."""
        now = self._clock()
        known, at = self._known.get(job.client_id, ([], None))
        if at is None or not at <= now < at + FRESH:
            if len(self._known) >= MOST_KNOWN:
                self._known = {}
            known = self.of_client(job.client_id)
            self._known[job.client_id] = known, now
        return [target for target in known if job.state in target.on]


def _parsed(held: object) -> list[Target]:
    found = cast("dict[bytes, bytes]", held)
    return [Target.parse(target_id.decode(), text) for target_id, text in sorted(found.items())]
