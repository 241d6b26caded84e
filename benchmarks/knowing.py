"""What knowing costs who is told and who polls: the delay from a job's end to the client's knowing, and requests."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Final

from client import TranslationClient

from .figures import Load, bar, quantile, table, title
from .house import House, house
from .polling import LONGEST_S as LONGEST_POLLED_S
from .polling import SHORTEST_S as SHORTEST_POLLED_S
from .polling import WAITS, Waited, on_a_real_service

COUNT: Final = 300
CLIENTS: Final = 2
"""Waits at once: as many as workers, so that no job queues."""
SHORTEST_S, LONGEST_S = 0.01, 0.1
PAST: Final = 60
"""Jobs that have ended before anybody polls: the service has learned from them what the next ones will take."""
MEDIAN_S, P99_S, REQUESTS = 0.005, 0.050, 1

# From the findings that this project began with: earlier implementations, and schedules, on jobs of U(5,15) s.
QUOTED: Final = (
    ("poll 1 s doubling", "4.8", "3.5 / 7.4 / 7.8 s"),
    ("poll 1 s doubling, full jitter", "4.4", "4.6 / 9.8 / 15 s"),
    ("callbacks, one job at a time", "0", "1.1 / 1.4 / 1.5 s"),
    ("poll 4 s doubling, 3 tries; 5 of 20 never told", "3.0", "3.5 / 6.6 / 6.9 s"),
    ("async, jittered, capped", "6.4", "5.9 / 13.7 / 14.2 s"),
    ("WebSocket / socket.io / SSE peers", "0", "0.05 / 0.00 / 0.00 s (means)"),
    ("fixed 1 s", "11.5", "0.50 s (mean)"),
    ("the best that 5 requests can do", "5", "0.495 s (mean)"),
)


def run() -> bool:
    with house(workers=CLIENTS) as home:
        load = Load()
        pushed = _pushed(home)
        busy = load.words()
    with house(workers=0) as home:
        polled = on_a_real_service(home, PAST)
    delays = [each.delay_s for each in pushed]
    title("Knowing that a job has ended")
    rows = [
        _row(f"`subscribe`: {COUNT} jobs of {SHORTEST_S:g} to {LONGEST_S:g} s, {CLIENTS} stock workers", pushed),
        _row(f"`poll_status`: {WAITS} jobs of {SHORTEST_POLLED_S:g} to {LONGEST_POLLED_S:g} s, by their `eta`", polled),
    ]
    table(("client", "status requests per job", "the most", "delay: median", "mean", "p95", "p99", "max"), rows)
    print(f"While subscribing: {busy} The submit is one request more, GET /connect one per client.")
    title("Quoted: earlier implementations and schedules, jobs of U(5,15) s")
    table(("what they do", "requests per job", "delay: mean / p95 / max"), QUOTED)
    met = (
        bar(f"the subscriber's median is at most {MEDIAN_S * 1000:g} ms", is_met=quantile(delays, 0.5) <= MEDIAN_S),
        bar(f"its p99 is at most {P99_S * 1000:g} ms", is_met=quantile(delays, 0.99) <= P99_S),
        bar("it makes 2 requests at most: submit, snapshot", is_met=max(each.requests for each in pushed) <= REQUESTS),
    )
    return all(met)


def _pushed(home: House) -> list[Waited]:
    rng = Random(1)  # noqa: S311
    durations = [rng.uniform(SHORTEST_S, LONGEST_S) for _ in range(COUNT)]
    with TranslationClient(home.url) as client, ThreadPoolExecutor(CLIENTS) as pool:
        _subscribe(client, 0.0)
        job_ids = list(pool.map(lambda seconds: _subscribe(client, seconds), durations))
        return [Waited.of(client.metrics.jobs[job_id]) for job_id in job_ids]


def _subscribe(client: TranslationClient, seconds: float) -> str:
    job = client.submit("https://example.com/talk.mp4", simulate={"duration_s": seconds})
    return client.subscribe(job.job_id, timeout=30).job_id


def _row(name: str, waits: list[Waited]) -> list[str]:
    delays = [each.delay_s for each in waits]
    requests = [each.requests for each in waits]
    shown = [quantile(delays, 0.5), sum(delays) / len(delays), *(quantile(delays, share) for share in (0.95, 0.99, 1))]
    return [name, f"{sum(requests) / len(waits):.2f}", str(max(requests)), *map(_delay, shown)]


def _delay(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
