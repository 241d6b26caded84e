"""Drives the store's sweep from this process, in the background."""

import threading
from typing import Final

import redis
import structlog

from store.sweep import Sweep

PAUSE_S: Final = 1.0
log = structlog.get_logger()


class Sweeper:
    """Takes a turn every `pause_s` seconds."""

    def __init__(self, sweep: Sweep, *, pause_s: float = PAUSE_S) -> None:
        self._sweep, self._pause_s = sweep, pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin. To be called after the last fork: threads do not survive one."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the turn that is under way."""
        self._stop.set()
        self._thread.join()

    def turn(self) -> None:
        """Sweep once. What goes wrong is logged, and may go better in a second."""
        try:
            found = self._sweep.turn() or []
        except redis.RedisError as error:
            log.warning("sweep_postponed", error=str(error))
        except Exception:
            log.exception("sweep_failed")
        else:
            for each in found:
                log.info("swept", kind=each.kind, job_id=each.job_id, detail=each.detail)

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s):
            self.turn()
