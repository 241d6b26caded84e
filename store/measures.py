"""What is counted of the service, and under which name each count is kept. Pure.

A count is a whole number that only grows. Its name is its measure's and the values of its labels, with `|` between
them: `finished|completed`. A histogram keeps a count for each bucket by its upper bound, and the sum as whole
microseconds: `stage|fetch|2.5`, `stage|fetch|us`.

No label has more values than the project or the operator has words: nothing that a caller can choose is one.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeAlias

from contract.delivery import Delivery, DeliveryKind, DeliveryState
from contract.job import STAGES, Job, Priority
from contract.scenarios import PASSING, PERMANENT
from contract.states import State

Counts: TypeAlias = Mapping[str, int]

BETWEEN: Final = "|"
SUM: Final = "us"
LAST: Final = "+Inf"
OTHER: Final = "other"
_FLAWS: Final = frozenset(flaw.code for flaw in PASSING + PERMANENT)


@dataclass(frozen=True, slots=True)
class Counter:
    """Something that happens now and then, by `labels`; `does` is its line of help.

    It is told of the values `always` (of its only label) also before it has happened: what appears with its first time
    looks to Prometheus as if it had not changed.
    """

    name: str
    does: str
    labels: tuple[str, ...] = ()
    always: tuple[str, ...] = ()

    def of(self, *values: str) -> str:
        """Return the name of one count."""
        return BETWEEN.join((self.name, *values))


@dataclass(frozen=True, slots=True)
class Histogram:
    """Something that takes a time, by `labels`: how often it took up to each of `bounds_s`. `always`: see Counter."""

    name: str
    does: str
    bounds_s: tuple[float, ...]
    labels: tuple[str, ...] = ()
    always: tuple[str, ...] = ()

    @property
    def bounds(self) -> tuple[str, ...]:
        """The bounds as they are written, with the last one of all."""
        return (*(f"{bound:g}" for bound in self.bounds_s), LAST)

    def of(self, seconds: float, *values: str) -> dict[str, int]:
        """Return what one such time adds to the counts; clocks of two hosts may make it negative, which is none."""
        buckets, total = _names(self, values)
        return {buckets[bisect_left(self.bounds_s, seconds)]: 1, total: max(0, round(seconds * 1e6))}


@cache  # a label has few values, and most of a request's price would be to write these
def _names(histogram: Histogram, values: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the names of its buckets for these labels, and that of their sum."""
    kept = BETWEEN.join((histogram.name, *values))
    return [f"{kept}|{bound}" for bound in histogram.bounds], f"{kept}|{SUM}"


_QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG: Final = (
    0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 4.0, 5.0, 6.0, 8.0, 10.0, 12.5, 15.0, 20.0, 30.0, 40.0, 60.0, 90.0, 120.0, 180.0,
    300.0, 600.0, 1200.0, 1800.0, 3600.0,
)  # fmt: skip
"""Close to one another, for the page takes quantiles of them."""

_RESULTS: Final = tuple(state.result.value for state in State if state.is_final)
_PRIORITIES: Final = tuple(Priority)

SUBMITTED: Final = Counter("jobs_submitted", "Jobs that were accepted", ("priority",), _PRIORITIES)
FINISHED: Final = Counter("jobs_finished", "Jobs that have reached a final state", ("result",), _RESULTS)
ATTEMPTS: Final = Counter(
    "attempts", "Attempts that have ended, by what came of it", ("outcome",), (*_RESULTS, "retry", "handed_back")
)
FAILURES: Final = Counter(
    "attempt_failures", "Attempts that have failed, by the code of the failure", ("code",), ("worker_lost",)
)
QUEUE_WAIT: Final = Histogram(
    "queue_wait_seconds", "From a job's queueing to its first attempt", _LONG, ("priority",), _PRIORITIES
)
RUN: Final = Histogram("run_seconds", "From the start of a job's last attempt to its end", _LONG, ("result",), _RESULTS)
STAGE: Final = Histogram("stage_seconds", "What a stage took that was passed", _LONG, ("stage",), STAGES)
WEBHOOKS: Final = Counter(
    "webhook_attempts",
    "Attempts at webhooks, by what came of it",
    ("outcome",),
    ("delivered", "retry", "failed", "lost"),
)
NOTIFICATIONS: Final = Counter(
    "notification_attempts", "Attempts at notifications, by what came of it", WEBHOOKS.labels, WEBHOOKS.always
)
WEBHOOK_DELAY: Final = Histogram("webhook_delay_seconds", "From a job's end to the delivery of its webhook", _LONG)
SWEPT: Final = Counter(
    "swept",
    "What the sweep has found and put right",
    ("kind",),
    ("lost", "absent", "overdue", "due", "stray", "owed", "expired", "broken"),
)
REQUESTS: Final = Counter("http_requests", "Requests that were answered", ("method", "route", "answer"))
_LIMITS: Final = ("rate_limited", "too_many_queued", "too_many_streams", "too_many_wrong_tokens")
PROBLEMS: Final = Counter(
    "http_problems",
    "Problem documents that were answered, by their code",
    ("code",),
    (*_LIMITS, "overloaded", "unavailable", "internal"),
)
ANSWER: Final = Histogram(
    "http_answer_seconds", "From a request to its answer, unless that was held", _QUICK, ("method", "route")
)
KNOWING: Final = Histogram(
    "knowing_delay_seconds", "From a job's end to its news: heard from Redis, told as event or as held answer",
    _QUICK, ("road",), ("redis", "events", "held"),
)  # fmt: skip
REDIS_ANSWER: Final = Histogram("redis_answer_seconds", "What Redis takes to answer, asked once a second", _QUICK)

ALL: Final[tuple[Counter | Histogram, ...]] = (
    SUBMITTED, FINISHED, ATTEMPTS, FAILURES, QUEUE_WAIT, RUN, STAGE, WEBHOOKS, NOTIFICATIONS, WEBHOOK_DELAY, SWEPT,
    REQUESTS, PROBLEMS, ANSWER, KNOWING, REDIS_ANSWER,
)  # fmt: skip


def created(job: Job) -> Counts:
    """Return what a new job adds to the counts."""
    return {SUBMITTED.of(job.priority): 1}


def moved(old: Job, new: Job) -> Counts:
    """Return what a change of a job's state adds to the counts."""
    if new.state is State.RUNNING:
        waited_s = (new.updated_at - old.updated_at).total_seconds()
        return QUEUE_WAIT.of(waited_s, new.priority) if new.attempt == 1 else {}
    counts: dict[str, int] = {}
    if old.state is State.RUNNING:
        outcome = new.state.value if new.done else "retry" if new.attempt > old.attempt else "handed_back"
        counts[ATTEMPTS.of(outcome)] = 1
    if new.done:
        counts[FINISHED.of(new.result)] = 1
        if new.started_at and old.state is State.RUNNING:
            counts |= RUN.of((new.updated_at - new.started_at).total_seconds(), new.result)
    return counts


def passed(old: Job, new: Job, since: datetime) -> Counts:
    """Return what a report or an end adds: the time of the stage that it leaves behind, which began at `since`."""
    is_passed = new.stage != old.stage and new.state in {State.RUNNING, State.COMPLETED}
    if old.stage is None or not is_passed:
        return {}
    stage = old.stage if old.stage in STAGES else OTHER
    return STAGE.of((new.updated_at - since).total_seconds(), stage)


def failed(code: str, simulate: Mapping[str, Any] | None) -> Counts:
    """Return what a failed attempt adds. A submitter who prescribes a course may choose any code for it."""
    is_chosen = bool(simulate) and "error_code" in (simulate or {}) and code not in _FLAWS
    return {FAILURES.of("chosen" if is_chosen else code): 1}


def sent(settled: Delivery, now: datetime) -> Counts:
    """Return what an attempt at a delivery adds that has just ended."""
    if settled.state is DeliveryState.DELIVERED:
        took = WEBHOOK_DELAY.of((now - settled.created_at).total_seconds()) if _attempts(settled) is WEBHOOKS else {}
        return {_attempts(settled).of("delivered"): 1, **took}
    return {_attempts(settled).of("failed" if settled.state is DeliveryState.FAILED else "retry"): 1}


def lost(delivery: Delivery) -> Counts:
    """Return what an attempt adds whose worker was lost."""
    return {_attempts(delivery).of("lost"): 1}


def _attempts(delivery: Delivery) -> Counter:
    return WEBHOOKS if delivery.kind is DeliveryKind.WEBHOOK else NOTIFICATIONS
