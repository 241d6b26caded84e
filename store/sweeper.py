"""Drives the sweep from a process of any kind, in the background."""

import threading
from collections.abc import Iterable
from typing import Any, Final, Protocol

import redis

from .sweep import Found, Sweep

PAUSE_S: Final = 1.0
AT_ONCE_S: Final = 0.05
"""The pause where a turn has left work to do: a moment for whoever else needs the processor."""


USUAL: Final = frozenset({"due", "expired"})
"""What a sweep finds while all goes well."""


class Log(Protocol):
    """What this needs of a process's log: constant events, the data as fields."""

    def debug(self, event: str, **fields: Any) -> Any:
        """Say what only a developer asks for."""

    def info(self, event: str, **fields: Any) -> Any:
        """Say what happened as it should."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Say what went wrong and is dealt with."""

    def error(self, event: str, **fields: Any) -> Any:
        """Say what an operator should look into."""

    def exception(self, event: str, **fields: Any) -> Any:
        """Say so with the traceback of the exception that is being handled."""


def report(log: Log, found: Iterable[Found]) -> None:
    """Log what a sweep has found: what was healed is a warning, and what nobody can read is for a person to see."""
    for each in found:
        say = log.debug if each.kind in USUAL else log.error if each.kind == "broken" else log.warning
        request = {"request_id": each.request_id} if each.request_id else {}
        say("swept", kind=each.kind, job_id=each.job_id, detail=each.detail, **request)


class Sweeper:
    """Takes a turn every `pause_s` seconds."""

    def __init__(self, sweep: Sweep, log: Log, *, pause_s: float = PAUSE_S) -> None:
        self._sweep, self._log, self._pause_s = sweep, log, pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin. To be called after the last fork that shall sweep, too: threads do not survive one."""
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
            self._log.warning("sweep_postponed", error=str(error))
        except Exception:  # noqa: BLE001 - the sweep reads whatever Redis holds
            self._log.exception("sweep_failed")
        else:
            report(self._log, found)

    def _run(self) -> None:
        while not self._stop.wait(AT_ONCE_S if self._sweep.left_work else self._pause_s):
            self.turn()
