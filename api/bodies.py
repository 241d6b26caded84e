"""A request's body has to come within its time: one that trickles in would hold a connection for ever."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic
from typing import Protocol, TypeAlias

from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]  # it has no stubs


class LateBodyError(ParseException):  # type: ignore[misc]  # as above
    """The time for a body is over; where on its connection the next request begins is not known."""


Timeout: TypeAlias = Callable[[float, Exception], AbstractContextManager[object]]
"""Within it an error is raised once so many seconds are over; gevent has one."""


class Reader(Protocol):
    """What gunicorn reads a body from."""

    def read(self, size: int) -> bytes:
        """Return up to so many bytes, none at its end."""


class InTime:
    """Reads from another reader for so many seconds, from the first look for something to its last byte."""

    def __init__(self, reader: Reader, timeout: Timeout, seconds: float) -> None:
        self._reader, self._timeout, self._seconds = reader, timeout, seconds
        self._until_s = 0.0

    def read(self, size: int) -> bytes:
        """Return what the other reader gives. Raises LateBodyError, and what that raises."""
        self._until_s = self._until_s or monotonic() + self._seconds
        late = LateBodyError(f"the body has not come within {self._seconds:g} s")
        with self._timeout(max(0.0, self._until_s - monotonic()), late):
            return self._reader.read(size)
