"""Processes, known for certain: a pid is used again, a pid together with its time of birth is not.

Every child leads a session of its own. Whatever it starts stays in that session, also after the child's death and
also in a process group of its own (as RQ's work horses are): nothing is lost sight of, and nothing foreign is hit.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

LOOK_S: Final = 0.05
SLACK_S: Final = 2.0
"""How far two readings of one time of birth may be apart: systems compute it from a clock that is set now and then."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One process: `born_s` is its time of birth as psutil has it, in seconds since 1970.

    Raises ValueError for a pid that no process has.
    """

    pid: int
    born_s: float

    def __post_init__(self) -> None:
        # what stands in another pid namespace, and the kernel, all have the session 0
        if self.pid <= 0:
            raise ValueError(f"no process has the pid {self.pid}")

    def process(self) -> psutil.Process | None:
        """Return the process if it is still alive."""
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self.pid)
            if self.fits(found) and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None

    def fits(self, process: psutil.Process) -> bool:
        """Whether this is the process that was marked, and not a later one with its pid."""
        return process.pid == self.pid and abs(process.create_time() - self.born_s) < SLACK_S


def mark_of(pid: int) -> Mark:
    """Mark a process that is there, be it a zombie. Raises psutil.NoSuchProcess."""
    return Mark(pid, psutil.Process(pid).create_time())


def members(leader: Mark) -> list[psutil.Process]:
    """Return what lives in the session that `leader` began, whether or not it lives itself."""
    with contextlib.suppress(psutil.Error):
        if not leader.fits(psutil.Process(leader.pid)):
            return []  # a pid is free again only when its whole session is gone
    return [each for each in map(_living, _session(leader.pid)) if each]


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to those that are still there; psutil sees to it that no pid has changed hands."""
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(number)


def await_end(processes: Iterable[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Wait for processes to end; return those that have not. One that only its parent has to take note of has ended."""
    left, until_s = list(processes), time.monotonic() + within_s
    while (left := [each for each in left if each.is_running() and _living(each.pid)]) and time.monotonic() < until_s:
        time.sleep(LOOK_S)
    return left


def _session(leader_pid: int) -> list[int]:
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):  # it has just ended, or is none of our business
            if os.getsid(pid) == leader_pid:
                found.append(pid)
    return found


def _living(pid: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid)
        if found.status() != psutil.STATUS_ZOMBIE:
            return found
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process that the service consists of. `keeps` are the file descriptors that it inherits."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    log: Path
    keeps: tuple[int, ...] = ()


class Child:
    """A part that has been started, in a session of its own: a Ctrl-C at the terminal does not reach it."""

    def __init__(self, part: Part, at_s: float) -> None:
        self.part, self.started_s = part, at_s
        with part.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the parts are ours
                part.argv,
                env=dict(part.env),
                cwd=part.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=part.keeps,
                start_new_session=True,
            )
        # it is not reaped before the first poll, so it can be marked even if it has ended already
        self.mark = mark_of(self._process.pid)

    def ending(self) -> str | None:
        """Return in words how it has ended; None while it lives."""
        status = self._process.poll()
        if status is None:
            return None
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this one process."""
        self._process.send_signal(number)
