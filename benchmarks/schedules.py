"""Polling schedules, beside the least delay that any schedule can have for as many requests."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Final, TypeAlias

from api.outgoing import retry_after_s
from client.schedule import Schedule
from contract.backoff import Backoff
from contract.job import Job
from contract.states import State
from store.durations import Past, Sample
from store.forecast import Traffic, forecast

from . import polling
from .figures import Load, bar, quantile, table, title
from .house import house
from .optimum import KNOWN, UNIFORM, Duration, Optimum
from .polling import Waited

JOBS: Final = 100_000
FEWER: Final = 20_000
LEARNED: Final = 200
SEEDS: Final = 5
BOUND: Final = 1.25
MOST_REQUESTS: Final = 15
"""Of a schedule that asks more often, the optimum is not computed: its delay is hardly any."""
EXACT: Final = 20_000
"""Quantiles that stand for the law itself."""

HEAD: Final = ("schedule", "requests per job", "delay: mean", "p95", "the least at as many", "ratio")
EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
JOB: Final = Job(
    job_id="job",
    client_id="default",
    state=State.RUNNING,
    seq=2,
    video_url="https://example.com/talk.mp4",
    created_at=EPOCH,
    started_at=EPOCH,
    updated_at=EPOCH,
)

Looks: TypeAlias = Iterator[float]
"""The times of one wait's looks, without end."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a schedule came to: mean requests, and delays in seconds."""

    requests: float
    mean_s: float
    p95_s: float


def run() -> bool:
    load = Load()
    met = [_check_optimum(), *(_compare(law) for law in KNOWN)]
    print(load.words())
    with house(workers=0) as home:
        load = Load()
        live = polling.on_a_real_service(home, LEARNED)
        busy = load.words()
    return _live(live, busy) and all(met)


def _check_optimum() -> bool:
    off = [
        abs(Optimum(law).delay_s(requests) / delay_s - 1)
        for law, known in KNOWN.items()
        for requests, delay_s in known.items()
    ]
    return bar("the optimum is the one that was known, within two percent", is_met=max(off) < 0.02)


def _compare(law: Duration) -> bool:
    """Try all schedules on one law."""
    best = Optimum(law)
    exact = Past([Sample(law.quantile_s((each + 0.5) / EXACT)) for each in range(EXACT)])
    ours = {"`eta`, told anew with each answer": try_out(law, partial(_eta, exact), JOBS)}
    ours["`eta`, told once"] = try_out(law, partial(_eta, exact, is_told_anew=False), FEWER)
    for seed in range(SEEDS):
        rng = Random(f"learned {seed}")  # noqa: S311
        past = Past([Sample(law.draw_s(rng)) for _ in range(LEARNED)])
        ours[f"`eta`, learned from {LEARNED} jobs, seed {seed}"] = try_out(law, partial(_eta, past), FEWER // 4)
    others = {
        "1 s doubling": try_out(law, _backoff, FEWER),
        "1 s doubling, jittered: our own without `eta`": try_out(law, partial(_backoff, is_jittered=True), FEWER),
        "openai: 1 s": try_out(law, partial(_fixed, 1.0), FEWER),
        "replicate: 0.5 s": try_out(law, partial(_fixed, 0.5), FEWER),
        "fal: 0.1 s": try_out(law, partial(_fixed, 0.1), FEWER),
    }
    title(f"Jobs of {law.name} s")
    rows = [_row(name, tried, best) for name, tried in (ours | others).items()]
    table(HEAD, rows)
    worst = max(tried.mean_s / best.delay_s(tried.requests) for tried in ours.values())
    return bar(f"ours is within {BOUND} of the least: {worst:.2f} at worst", is_met=worst <= BOUND)


def try_out(law: Duration, looks: Callable[[Random], Looks], jobs: int) -> Tried:
    """Wait for so many jobs, each told of at its start."""
    rng, requests, delays = Random(1), 0, []  # noqa: S311
    for _ in range(jobs):
        ends_s = law.draw_s(rng)
        for at_s in looks(rng):
            requests += 1
            if at_s >= ends_s:
                delays.append(at_s - ends_s)
                break
    return Tried(requests / jobs, sum(delays) / jobs, quantile(delays, 0.95))


def _eta(past: Past, rng: Random, *, is_told_anew: bool = True) -> Looks:
    """Look as the client does that is told by this service; a 304 has no eta, but a Retry-After."""
    schedule, now_s, polls = Schedule(Backoff()), 0.0, 0
    while True:
        now = EPOCH + timedelta(seconds=now_s)
        job = replace(JOB, eta=forecast(past, JOB, now, Traffic()))
        if is_told_anew or not polls:
            schedule.hear(job, now_s)
        polls += 1
        now_s += max(schedule.pause_s(now_s, polls, rng.random()), retry_after_s(job))
        yield now_s


def _backoff(rng: Random, *, is_jittered: bool = False) -> Looks:
    now_s, polls = 0.0, 0
    while True:
        polls += 1
        now_s += Backoff().pause_s(polls, rng.random() if is_jittered else 1.0)
        yield now_s


def _fixed(step_s: float, rng: Random) -> Looks:  # noqa: ARG001 - nothing is left to chance
    looks = 0
    while True:
        looks += 1
        yield looks * step_s


def _live(waits: list[Waited], busy: str) -> bool:
    """Show what the real service has come to."""
    best, delays = Optimum(UNIFORM), [each.delay_s for each in waits]
    requests = sum(each.requests for each in waits) / len(waits)
    tried = Tried(requests, sum(delays) / len(delays), quantile(delays, 0.95))
    title(f"The real service, once {LEARNED} jobs of U(5,15) s have ended")
    table(HEAD, [_row(f"`poll_status`: {len(waits)} jobs of U(5,15) s at once, in real time", tried, best)])
    print(f"Requests are all that were made after the submit, whose answer told the eta. {busy}")
    ratio = tried.mean_s / best.delay_s(requests)
    return bar(f"it is within {BOUND} of the least: {ratio:.2f}", is_met=ratio <= BOUND)


def _row(name: str, tried: Tried, best: Optimum) -> tuple[str, ...]:
    least_s = best.delay_s(tried.requests) if tried.requests <= MOST_REQUESTS else None
    beside = (f"{least_s:.2f} s", f"{tried.mean_s / least_s:.2f}") if least_s else ("", "")
    return name, f"{tried.requests:.2f}", f"{tried.mean_s:.2f} s", f"{tried.p95_s:.2f} s", *beside
