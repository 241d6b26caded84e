"""When a job will end: pure, from what past jobs took and where this one stands."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from contract.job import Eta, Job
from contract.states import State

from .durations import Past, Quantiles

_NINE_TENTHS: Final = 1.2816  # standard deviations above the mean, in a normal law


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many jobs wait and run, and how many the workers can have under way at once."""

    queued: int = 0
    running: int = 0
    slots: int = 0


def forecast(past: Past, job: Job, now: datetime, traffic: Traffic) -> Eta | None:
    """Return the eta of a job at this moment; None if it is final, or waits for its next attempt in no queue.

    None as well where it would be no finite number, as by the length of a video that has next to none. A failure that
    would lead to another attempt is not foreseen.
    """
    if job.state is State.RUNNING:
        left = _running(past, job, now)
    elif job.state is State.QUEUED and job.position is not None:
        left = _queued(past, job, job.position, traffic)
    else:
        return None
    if not all(map(math.isfinite, left)):
        return None
    return Eta(p10_s=round(left.p10, 3), p50_s=round(left.p50, 3), p90_s=round(left.p90, 3))


def places(past: Past, job: Job, now: datetime, traffic: Traffic) -> list[tuple[int, Eta]]:
    """Return the etas that a job would have at a few places in the queue: others' lie on the lines between them.

    The places are those where the wait begins, and from there twice as far each time, past the end of the queue; none
    if they have no etas.
    """
    free = max(0, _slots(traffic) - traffic.running)
    reach = max(64, traffic.queued).bit_length() + 1  # more may have come since they were counted
    known = sorted({0, max(0, free - 1), free, *(free + 2**step for step in range(reach))})
    etas = [(place, eta) for place in known if (eta := forecast(past, replace(job, position=place), now, traffic))]
    return etas if len(etas) == len(known) else []


def _slots(traffic: Traffic) -> int:
    return max(1, traffic.slots, traffic.running)


def _running(past: Past, job: Job, now: datetime) -> Quantiles:
    """Return what is left of a run: by its age, or by its progress where that says more."""
    if job.started_at is None:
        return _whole(past, job, 0.0)
    # the clocks of worker and reader differ: what has begun in the future has just begun
    passed_s = max(0.0, (now - job.started_at).total_seconds())
    by_age = _whole(past, job, passed_s)
    reached_s = (job.updated_at - job.started_at).total_seconds()
    pace = past.pace(job.progress) if job.progress > 0 and reached_s > 0 else None
    if pace is None:
        return by_age
    promised_s = reached_s / job.progress
    by_progress = pace.remaining(passed_s / promised_s).times(promised_s)
    return min(by_age, by_progress, key=lambda left: left.width)


def _whole(past: Past, job: Job, passed_s: float) -> Quantiles:
    """Return what is left of a run that began so long ago, of which nothing else is known."""
    if job.video_duration_s and past.per_video:
        return past.per_video.remaining(passed_s / job.video_duration_s).times(job.video_duration_s)
    return past.runs.remaining(passed_s)


def _queued(past: Past, job: Job, position: int, traffic: Traffic) -> Quantiles:
    """Return what is left of a job with so many ahead of it: their share of the workers' time, then its own run.

    The two are added as if they were normal laws with two different halves.
    """
    run = _whole(past, job, 0.0)
    slots = _slots(traffic)
    ends = position + 1 - max(0, slots - traffic.running)
    if ends <= 0:
        return run  # a worker is free for it
    wait_s = (ends - 0.5) * past.runs.mean / slots
    doubt_s = _NINE_TENTHS * math.sqrt(ends) * past.runs.deviation / slots
    p50 = wait_s + run.p50
    p10 = max(run.p10, p50 - math.hypot(doubt_s, run.p50 - run.p10))
    return Quantiles(p10, p50, p50 + math.hypot(doubt_s, run.p90 - run.p50))
