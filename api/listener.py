"""Drives the hub's one subscription in this process, in the background, and brings it back when it is lost."""

import threading
from collections.abc import Callable
from typing import Final

import redis
import structlog

from store.hub import TICK_S, Hub, listen

PAUSE_S: Final = 0.5
log = structlog.get_logger()


class Listener:
    """Listens until it is told to stop, which takes up to `tick_s`; a lost line is tried again after `PAUSE_S`.

    `forget` is called when what was read of tokens may not be true any more.
    """

    def __init__(
        self,
        connection: redis.Redis,
        hub: Hub,
        *,
        forget: Callable[[], object] = lambda: None,
        tick_s: float = TICK_S,
    ) -> None:
        self._redis, self._hub, self._forget, self._tick_s = connection, hub, forget, tick_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begin. To be called after the last fork: threads do not survive one."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                listen(self._redis, self._hub, self._stop.is_set, forget=self._forget, tick_s=self._tick_s)
            except redis.RedisError as error:
                log.warning("news_interrupted", error=str(error))
            except Exception:
                log.exception("news_failed")
            self._hub.is_fed = False
            self._stop.wait(PAUSE_S)
