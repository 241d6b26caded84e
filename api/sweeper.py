"""Drives the store's sweep from this process, in the background."""

import threading
from typing import Final

import redis
import structlog

from store.sweep import Sweep

PAUSE_S: Final = 1.0
log = structlog.get_logger()


class Sweeper:
    """Takes a turn every second, and keeps still for `quiet_s` after Redis was away.

    Leases run out while Redis is away; the living workers shall renew theirs before anybody judges them.
    """

    def __init__(self, sweep: Sweep, *, quiet_s: float) -> None:
        self._sweep, self._quiet_s = sweep, quiet_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin. To be called after the last fork: threads do not survive one."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the turn that is under way."""
        self._stop.set()
        self._thread.join()

    def turn(self) -> float:
        """Sweep once; return the seconds until the next turn."""
        try:
            found = self._sweep.turn() or []
        except redis.RedisError as error:
            log.warning("sweep_postponed", error=str(error), pause_s=self._quiet_s)
            return self._quiet_s
        except Exception:  # one bad record must not end all sweeping
            log.exception("sweep_failed", pause_s=self._quiet_s)
            return self._quiet_s
        for each in found:
            log.info("swept", kind=each.kind, job_id=each.job_id, detail=each.detail)
        return PAUSE_S

    def _run(self) -> None:
        pause_s = PAUSE_S
        while not self._stop.wait(pause_s):
            pause_s = self.turn()
