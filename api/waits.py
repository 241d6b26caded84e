"""The long-poll: an answer that is held until there is something new to say, or the caller's patience is over."""

import math
from collections.abc import Callable, Generator, Iterator
from time import monotonic
from typing import Final, TypeAlias

import redis
import structlog

from contract.backoff import Backoff
from contract.errors import JobNotFoundError
from contract.job import Job
from store.feed import News
from store.hub import Signal, Waiter
from store.standing import Stands

READ_AGAIN: Final = Backoff(first_s=0.5, cap_s=5)
"""How long a look that has failed is put off, unless there is a reason to look before."""
PING: Final = b" "
"""White space before a JSON document is part of none, so it can say that the line is there."""

log = structlog.get_logger()
Held: TypeAlias = Generator[None, None, Job]


def hold(
    waiter: Waiter,
    job: Job,
    read: Callable[[], Job],
    is_enough: Callable[[Job | News], bool],
    within_s: float,
    *,
    ping_s: float = math.inf,
    clock: Callable[[], float] = monotonic,
) -> Held:
    """Return `job`, which was read after joining, once it `is_enough`; as it is after `within_s` at the latest.

    News only wake the wait: what is returned was read. Redis may be away meanwhile; if it is so at the end, what
    `read` raises is raised. Yields every `ping_s` until then.
    """
    deadline_s = clock() + within_s
    ping_at_s, failed = clock() + ping_s, 0
    while not is_enough(job) and (left_s := deadline_s - clock()) > 0:
        until_ping_s = ping_at_s - clock()
        if until_ping_s <= 0:
            ping_at_s = clock() + ping_s
            yield
            continue
        word = waiter.next(min(left_s, until_ping_s, READ_AGAIN.pause_s(failed, 0.5) if failed else left_s))
        if word is Signal.SILENCE and until_ping_s < left_s and not failed:
            continue
        if isinstance(word, News) and not is_enough(word) and not failed:
            continue  # most are progress, and whoever waits for the end need not read each
        if isinstance(word, Stands) and word.seq == job.seq and not failed:
            continue  # the line was lost, and nothing was missed
        try:
            job, failed = read(), 0
        except redis.RedisError:
            if word is Signal.END or clock() >= deadline_s:
                raise
            failed += 1
        if word is Signal.END:
            break
    return job


def outcome(held: Held) -> Job:
    """Return what comes of a wait of which nobody hears meanwhile. Raises what it raises."""
    while True:
        try:
            next(held)
        except StopIteration as end:
            job: Job = end.value
            return job


def spoken(held: Held, write: Callable[[Job], bytes]) -> Iterator[bytes]:
    """Yield a ping at once and at each turn of the wait, then what it was for.

    Its head is on its way by then, and has promised a job. If it cannot be read there is none: whoever asks again is
    told why.
    """
    yield PING
    try:
        while True:
            try:
                next(held)
            except StopIteration as end:
                yield write(end.value)
                return
            yield PING
    except (redis.RedisError, JobNotFoundError) as error:
        log.info("held_in_vain", error=str(error))
