"""Seeing to it that this process is gevent's: what was imported before gevent patched it cannot be patched any more.

`rq worker -w worker.concurrent.ConcurrentWorker` imports half the world before it comes to us. So the process begins
once more, with the same command line, under `python -m gevent.monkey`; its pid stays.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from gevent import monkey

MARK: Final = "DUBQ_BEGUN_AGAIN"


def ensure_patched() -> None:
    """Return at once in a patched process; else replace it by one that is. Raises RuntimeError if that was no help."""
    if monkey.is_module_patched("socket"):
        os.environ.pop(MARK, None)  # no business of what this process starts
        return
    if MARK in os.environ:
        raise RuntimeError("this process cannot be patched: start it with python -m gevent.monkey")
    os.environ[MARK] = "1"
    argv = patched_argv(sys.orig_argv, sys.argv)
    os.execv(argv[0], argv)  # noqa: S606 - our own command line


def patched_argv(typed: Sequence[str], seen: Sequence[str]) -> list[str]:
    """Return the command line under gevent of a process.

    `typed` is that of the interpreter (`sys.orig_argv`), `seen` what the program sees of it (`sys.argv`).
    """
    words = list(seen[1:])
    head = list(typed[1 : len(typed) - len(words)])
    program = ["--module", head.pop()] if head[-2:-1] == ["-m"] else [head.pop()]
    if program[0] == "--module":
        head.pop()
    return [sys.executable, *head, "-m", "gevent.monkey", *program, *words]
