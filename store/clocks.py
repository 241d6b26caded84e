"""Clients' simulated clocks: where they are kept, and how a process that follows them hears when one is moved."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, cast

import redis

from contract.clock import Clock

from . import keys

KEPT_S: Final = 30 * 86_400
"""A clock that nobody moves for so long is real time again."""
SILENCE_S: Final = 5.0
"""A line that was silent for so long is asked whether it is still there; silent for twice as long, it is not."""
AGAIN_S: Final = 0.5


class ClockStore:
    """Reads and moves clocks. `real_s` is the time, in Unix seconds."""

    def __init__(self, connection: redis.Redis, real_s: Callable[[], float] = time.time) -> None:
        self._redis, self.real_s = connection, real_s

    def read(self, client_id: str) -> Clock:
        """Return a client's clock."""
        return _parse(cast("bytes | None", self._redis.get(keys.clock(client_id))))

    def move(self, client_id: str, turn: Callable[[Clock, float], Clock]) -> Clock:
        """Have `turn` make another of the clock at a time in whole milliseconds, tell all who follow it, return it.

        Returns only in a later millisecond: what is submitted then has a `created_at` after the turn.
        """
        key = keys.clock(client_id)

        def write(pipe: redis.client.Pipeline) -> Clock:
            known = _parse(cast("bytes | None", pipe.get(key)))
            moved = turn(known, max(self._whole_ms(), known.turns[-1].real_s if known.turns else 0.0))
            pipe.multi()
            pipe.set(key, moved.to_json(), ex=KEPT_S)
            pipe.publish(keys.CLOCKS, client_id)
            return moved

        moved: Clock = self._redis.transaction(write, key, value_from_callable=True)  # type: ignore[arg-type,assignment]  # it hands on what `write` returns
        time.sleep(0.001)
        return moved

    def forget(self, client_id: str) -> None:
        """Make a clock real time again, and tell all who follow it."""
        with self._redis.pipeline() as pipe:
            forget(pipe, client_id)
            pipe.execute()

    def _whole_ms(self) -> float:
        """Return the time as jobs' documents have it."""
        return int(self.real_s() * 1000) / 1000


def forget(pipe: redis.client.Pipeline, client_id: str) -> None:
    """Add to `pipe` what makes a client's clock real time again, and tells all who follow it."""
    pipe.delete(keys.clock(client_id))
    pipe.publish(keys.CLOCKS, client_id)


def _parse(kept: bytes | None) -> Clock:
    return Clock() if kept is None else Clock.from_json(kept)


class Following:
    """One client's clock, as a process that follows it knows it; see Clock for its questions."""

    def __init__(self, read: Callable[[], Clock], real_s: Callable[[], float]) -> None:
        self._read, self._real_s = read, real_s

    @property
    def clock(self) -> Clock:
        """The clock as it is now."""
        return self._read()

    def now_s(self) -> float:
        """Return what it shows now."""
        return self._read().now_s(self._real_s())

    def left_s(self, shown_s: float) -> float:
        """Return for how many real seconds from now it does not yet show `shown_s`; infinity if it is frozen."""
        return self._read().left_s(shown_s, self._real_s())


class ClockFollower:
    """Follows clocks for all runs of a process, on one subscription, which begins with the first of them.

    It has no lock: RQ's death penalty may strike a run's thread between any two lines, and a lock that it held would
    stay held. While Redis is away, clocks go on as they were last known; once it is back they are all read again.
    """

    def __init__(
        self, connection: redis.Redis, real_s: Callable[[], float] = time.time, *, again_s: float = AGAIN_S
    ) -> None:
        self._again_s = again_s
        self._redis, self._real_s, self._store = connection, real_s, ClockStore(connection, real_s)
        self._known: dict[str, Clock] = {}
        self._wakes: dict[object, tuple[str, Callable[[], None]]] = {}
        self._heard = 0  # how often what is known was found to be old
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def follow(self, client_id: str, wake: Callable[[], None]) -> Iterator[Following]:
        """Give a client's clock; `wake` is called, on another thread, whenever it may have been moved."""
        token = object()
        self._wakes[token] = (client_id, wake)
        try:
            if self._thread is None:
                # a daemon: a process that has to end does not wait for Redis
                self._thread = threading.Thread(target=self._live, name="dubq-clocks", daemon=True)
                self._thread.start()
            yield Following(lambda: self._clock(client_id), self._real_s)
        finally:
            del self._wakes[token]

    def close(self) -> None:
        """Let the subscription end, and wait for it."""
        self._closed.set()
        if self._thread:
            with suppress(redis.RedisError):
                self._redis.publish(keys.CLOCKS, "")  # so that the line, which may be waiting for news, looks up
            self._thread.join()

    def _clock(self, client_id: str) -> Clock:
        known = self._known.get(client_id)
        if known is not None:
            return known
        heard = self._heard
        try:
            known = self._store.read(client_id)
        except redis.RedisError:
            return Clock()  # the service goes on; there is nobody who could have moved it meanwhile
        self._known[client_id] = known
        if self._heard != heard:  # it was moved while it was read
            self._known.pop(client_id, None)
        return known

    def _live(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except redis.RedisError:
                self._closed.wait(self._again_s)

    def _listen(self) -> None:
        with self._redis.pubsub() as line:  # type: ignore[no-untyped-call]  # redis has types for most of it only
            line.subscribe(keys.CLOCKS)
            asked = False
            while not self._closed.is_set():
                message = line.get_message(timeout=SILENCE_S)
                if message is None and asked:
                    raise redis.ConnectionError("the line was silent")
                asked = message is None
                if asked:
                    line.ping()
                elif message["type"] == "subscribe":  # from here on nothing is missed; what was before may have been
                    self._moved(None)
                elif message["type"] == "message":
                    self._moved(message["data"].decode())

    def _moved(self, client_id: str | None) -> None:
        """Forget what was known of a client's clock, or of all, and wake those who go by it."""
        self._heard += 1
        if client_id is None:
            self._known.clear()
        else:
            self._known.pop(client_id, None)
        for whose, wake in list(self._wakes.values()):
            if client_id in (None, whose):
                wake()
