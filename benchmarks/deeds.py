"""What the workers that are compared have to do, and how they say when all of it is done.

A worker counts in its own process, so that counting costs nobody a call: the first job writes when it began, the last
one when it ended.
"""

import os
import time

import redis

BEGAN = "benchmark:began"
ENDED = "benchmark:ended"
HOLDING = "benchmark:holding"
HELD = "benchmark:held"
"""The numbers of the jobs that take time and have begun, or ended, each as often as it did."""
HOLD_S = 2.0


class Tally:
    """How many jobs this process has done."""

    done = 0
    begun = False


def nothing(count: int) -> None:
    """Be one of `count` jobs that do nothing."""
    _begin()
    _end(count)


def pause(count: int, seconds: float) -> None:
    """Be one of `count` jobs that wait."""
    _begin()
    time.sleep(seconds)
    _end(count)


def hold(number: int) -> None:
    """Be a job that takes its time, and say when it begins and ends."""
    note(HOLDING, number)
    time.sleep(HOLD_S)
    note(HELD, number)


def note(what: str, number: int) -> None:
    """Say that a job has begun, or ended."""
    with redis.Redis.from_url(os.environ["DUBQ_REDIS_URL"]) as connection:
        connection.hincrby(what, str(number), 1)


def _begin() -> None:
    if not Tally.begun:
        Tally.begun = True
        _note(BEGAN)


def _end(count: int) -> None:
    Tally.done += 1
    if Tally.done == count:
        _note(ENDED)


def _note(key: str) -> None:
    with redis.Redis.from_url(os.environ["DUBQ_REDIS_URL"]) as connection:
        connection.set(key, time.time())
