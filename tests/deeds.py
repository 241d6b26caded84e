"""Functions for RQ jobs that are none of ours; a worker imports them by name."""

from __future__ import annotations

import time


def nothing() -> None:
    pass


def answer() -> int:
    return 42


def breaks() -> None:
    raise ZeroDivisionError("the details")


def sleep(seconds: float) -> None:
    time.sleep(seconds)
