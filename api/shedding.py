"""Overload: who comes when a process has too much to do is told so at once, before any work is done for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import flask

from contract.limits import OverloadedError

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Whoever supervises the processes is always answered."""
BACK_S: Final = 1


class Shedder:
    """Lets `most` requests be worked on at a time, in this process. Those that only wait for news are not counted.

    A Redis that is slow has them pile up as much as a processor does.
    """

    def __init__(self, most: int) -> None:
        self._most, self._working = most, 0

    def mount(self, app: flask.Flask) -> None:
        """Put it before what `app` does with requests."""
        app.before_request(self._enter)
        app.teardown_request(self._end)

    def waits(self) -> None:
        """Note that the current request, if there is one, only waits from here on."""
        if flask.has_app_context() and flask.g.pop("worked_on_by", None):
            self._working -= 1

    def goes_on(self) -> None:
        """Note that the current request is worked on again."""
        self._working += 1
        flask.g.worked_on_by = self

    def _enter(self) -> None:
        """Count a request. Raises OverloadedError."""
        if flask.request.path in PROBES:
            return
        if self._working >= self._most:
            error = OverloadedError(f"{self._most} requests are under way here, and more would hold up all")
            error.retry_after_s = BACK_S
            raise error
        self.goes_on()

    def _end(self, _error: BaseException | None) -> None:
        self.waits()


@contextmanager
def at_rest() -> Iterator[None]:
    """Do not count the current request while its caller is waited for."""
    shedder: Shedder | None = flask.g.get("worked_on_by")
    if shedder is None:
        yield
        return
    shedder.waits()
    try:
        yield
    finally:
        shedder.goes_on()
