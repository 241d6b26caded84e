"""The long-poll: an answer that is held until there is something new to say, or the caller's patience is over."""

from collections.abc import Callable
from time import monotonic
from typing import Final

import redis

from contract.backoff import Backoff
from contract.job import Job
from store.feed import News
from store.hub import Signal, Waiter

READ_AGAIN: Final = Backoff(first_s=0.5, cap_s=5)
"""How long a look that has failed is put off, unless there is a reason to look before."""


def hold(
    waiter: Waiter,
    job: Job,
    read: Callable[[], Job],
    is_enough: Callable[[Job | News], bool],
    within_s: float,
    *,
    clock: Callable[[], float] = monotonic,
) -> Job:
    """Return `job`, which was read after joining, once it `is_enough`; as it is after `within_s` at the latest.

    News only wake the wait: what is returned was read. Redis may be away meanwhile; if it is so at the end, what
    `read` raises is raised.
    """
    deadline_s = clock() + within_s
    failed = 0
    while not is_enough(job) and (left_s := deadline_s - clock()) > 0:
        word = waiter.next(min(left_s, READ_AGAIN.pause_s(failed, 0.5)) if failed else left_s)
        if isinstance(word, News) and not is_enough(word) and not failed:
            continue  # most are progress, and whoever waits for the end need not read each
        try:
            job, failed = read(), 0
        except redis.RedisError:
            if word is Signal.END or clock() >= deadline_s:
                raise
            failed += 1
        if word is Signal.END:
            break
    return job
