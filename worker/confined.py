"""Lets a library that is not ours send something, within bounds: in time, to where webhooks may go, and nowhere else.

Python announces each connection, file and program to the audit hooks of its process before it comes about, whatever
library wants it, after whatever redirect, and with the very address. Source: PEP 578.

It is a fence for libraries that mean well and are told where to go by strangers, not a prison for hostile code.
"""

import contextvars
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from contract.addresses import NONE, Networks, forbidden

T = TypeVar("T")

_PROGRAMS: Final = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"})
_ADDRESSED: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_WATCHED: Final = _PROGRAMS | _ADDRESSED | {"open"}
_WRITING: Final = os.O_WRONLY | os.O_RDWR
_READABLE: Final = tuple(
    os.path.realpath(each) + os.sep
    for each in (sys.prefix, sys.base_prefix, Path(os.__file__).parent, "/usr/share/zoneinfo")
)
"""What Python and its packages consist of, and what they look up about times."""


class ConfinedError(PermissionError):
    """What was about to happen is out of bounds. Libraries take it for what a firewall says."""


@dataclass(eq=False)
class Bounds:
    """What is allowed to one sending, and `refused`: what was refused first, in words."""

    allowed: Networks = NONE
    refused: str = ""
    is_over: bool = False
    _lines: list[socket.socket] = field(default_factory=list)

    def judge(self, event: str, args: tuple[Any, ...]) -> None:
        """Look at what is about to happen. Raises ConfinedError."""
        reason = self._reason(event, args)
        if reason:
            self.refused = self.refused or reason
            raise ConfinedError(reason)

    def end(self) -> None:
        """Allow nothing more, and wake up whoever still reads or writes."""
        self.is_over = True
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Let go of the connections that were made."""
        for line in self._lines:
            line.close()

    def _reason(self, event: str, args: tuple[Any, ...]) -> str | None:
        if self.is_over:
            return "its time is over"
        if event in _PROGRAMS:
            return "it may start no program"
        if event == "open":
            return None if _may_open(*args) else "it may open no file"
        return self._wrong_address(*args)

    def _wrong_address(self, line: Any, address: Any) -> str | None:
        if address is None:  # where it is connected already
            return None
        try:
            host = ip_address(address[0])
        except (ValueError, TypeError, IndexError):  # a name that would be resolved only now, or a socket of this host
            return "it may connect to Internet addresses alone"
        wrong = forbidden([host], self.allowed)
        if wrong is None:
            # another one for the same line: whoever wraps it in TLS takes the first one's away
            self._lines.append(socket.socket(fileno=os.dup(line.fileno())))
        return wrong


def within(bounds: Bounds, timeout_s: float, send: Callable[[], T]) -> T | None:
    """Return what `send` returns; None if that is not within `timeout_s`. Raises what it raises.

    It runs in a thread, which is woken up and then left to itself when its time is over.
    """
    _watch()
    result: _Result[T] = _Result()
    context = contextvars.copy_context()
    context.run(_bounds.set, bounds)
    threading.Thread(target=context.run, args=(result.take, send), name="dubq-confined", daemon=True).start()
    if not result.is_there.wait(timeout_s):
        bounds.end()
    bounds.forget()
    return result.value()


class _Result(Generic[T]):
    """What another thread has come to."""

    def __init__(self) -> None:
        self.is_there = threading.Event()
        self._value: T | None = None
        self._error: BaseException | None = None

    def take(self, send: Callable[[], T]) -> None:
        try:
            self._value = send()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            self._error = error
        self.is_there.set()

    def value(self) -> T | None:
        """Return it, None if it is not there yet. Raises what was raised instead."""
        if self._error:
            raise self._error
        return self._value


_bounds: Final[contextvars.ContextVar[Bounds | None]] = contextvars.ContextVar("bounds", default=None)


@cache
def _watch() -> None:
    """Have this process watched: from the first sending on, for a hook is never let go again."""
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event in _WATCHED and (bounds := _bounds.get()):
        bounds.judge(event, args)


def _may_open(path: Any, _mode: Any, flags: Any) -> bool:
    if isinstance(path, int):  # what is open already
        return True
    if flags & _WRITING:
        return False
    return os.path.realpath(os.fsdecode(path)).startswith(_READABLE)
