"""Drives the sweep from a process of any kind: beside what else it does, or in the background."""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import redis

from .rounds import Rounds
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


def take_turn(sweep: Sweep, log: Log) -> None:
    """Sweep, if it is our turn. What goes wrong with jobs is no matter of who sweeps. Raises RedisError."""
    try:
        found = sweep.turn() or []
    except redis.RedisError:
        raise
    except Exception:  # the sweep reads whatever Redis holds
        log.exception("sweep_failed")
        return
    report(log, found)


class Sweeper(Rounds):
    """Takes a turn at the sweep every `pause_s` seconds, and at once after one that has left work."""

    def __init__(self, sweep: Sweep, log: Log, *, pause_s: float = PAUSE_S) -> None:
        super().__init__("sweeper")
        self._sweep, self._log, self._pause_s = sweep, log, pause_s

    def turn(self) -> None:
        """Sweep once. What goes wrong is logged, and may go better in a second."""
        try:
            take_turn(self._sweep, self._log)
        except redis.RedisError as error:
            self._log.warning("sweep_postponed", error=str(error))

    def pause_s(self) -> float:
        """Return the seconds until the next turn."""
        return AT_ONCE_S if self._sweep.left_work else self._pause_s
