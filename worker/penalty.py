"""Interrupting a greenlet: RQ's death penalty, and whoever else ends a job, each for one greenlet alone."""

from typing import Any, Final

import gevent
from rq.timeouts import BaseDeathPenalty, BaseTimeoutException

from .carrier import calling

AGAIN_S: Final = 0.005
"""When to try again with a greenlet that waits for Redis."""


class GreenletPenalty(BaseDeathPenalty):
    """Within its `with` block the greenlet that entered it can be struck; after `timeout` seconds it is."""

    def __init__(self, timeout: float, exception: type[BaseException] = BaseTimeoutException, **_: Any) -> None:
        self._timeout, self._exception = timeout, exception
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._loop = gevent.get_hub().loop
        self._timer: Any = None

    def setup_death_penalty(self) -> None:
        """Begin."""
        self._greenlet = gevent.getcurrent()  # type: ignore[assignment]  # any greenlet will do
        if self._timeout > 0:
            words = f"Task exceeded maximum timeout value ({self._timeout} seconds)"
            self._wait(self._timeout, self._exception(words))

    def cancel_death_penalty(self) -> None:
        """End: from now on nothing strikes."""
        self._greenlet = None
        self._forget()

    def strike(self, error: BaseException) -> None:
        """Raise `error` where the greenlet waits: at once, or after the call to Redis that it waits for."""
        self._loop.run_callback(self._strike, error)

    def _strike(self, error: BaseException) -> None:
        if self._greenlet is None:
            return
        if self._greenlet in calling:
            self._wait(AGAIN_S, error)
        else:
            self._greenlet.throw(error)

    def _wait(self, seconds: float, error: BaseException) -> None:
        self._forget()
        self._timer = self._loop.timer(seconds)
        self._timer.start(self._strike, error)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
        self._timer = None
