"""What each road costs: jobs of a minute, in real time, waited for by push, events, held answers and asking."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Thread
from time import monotonic, sleep
from typing import Final

from client import Road, TranslationClient
from contract.job import STAGES, Output
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

from .figures import Load, bar, ms, quantile, table, title
from .house import House, house
from .polling import Waited

JOBS: Final = 25
"""On each road, all at once."""
LASTS_S: Final = 60.0
REPORTS: Final = 11
APART_S: Final = 0.05
"""Between the ends of two jobs, so that none waits for another's."""

BARS: Final = {"redis": (2, 0.05), "sse": (3, 0.05), "long_poll": (3, 0.05)}
"""For each road the most requests, with the submit, and the 95th percentile of the delay in seconds."""

ROADS: Final = {"redis": [Road.REDIS], "sse": [Road.SSE], "long_poll": [Road.LONG_POLL], "asking": []}


def run() -> bool:
    with house(workers=0) as home:
        load = Load()
        waits = _wait_on_all(home)
        busy = load.words()
    title(f"What each road costs: {JOBS} jobs of {LASTS_S:g} s at once on each")
    rows = [_row(road, found) for road, found in waits.items()]
    table(("road", "requests per job", "the most", "delay: median", "p95", "max"), rows)
    print(f"{busy} The submit is counted, GET /connect, one per client, is not.")
    return all(_is_met(road, waits[road], *bars) for road, bars in BARS.items())


def _is_met(road: str, waits: list[Waited], requests: int, p95_s: float) -> bool:
    found_s = quantile([each.delay_s for each in waits], 0.95)
    met = (
        bar(f"{road}: {requests} requests at most", is_met=max(each.requests for each in waits) < requests),
        bar(f"{road}: known within {p95_s * 1000:g} ms (p95)", is_met=found_s <= p95_s),
    )
    return all(met)


def _row(road: str, waits: list[Waited]) -> list[str]:
    requests, delays = [each.requests + 1 for each in waits], [each.delay_s for each in waits]
    shown = (ms(quantile(delays, share)) for share in (0.5, 0.95, 1))
    return [road, f"{sum(requests) / len(waits):.2f}", str(max(requests)), *shown]


def _wait_on_all(home: House) -> dict[str, list[Waited]]:
    with ExitStack() as stack:
        clients = {name: stack.enter_context(TranslationClient(home.url, roads=roads)) for name, roads in ROADS.items()}
        pool = stack.enter_context(ThreadPoolExecutor(JOBS * len(clients)))
        store = RunStore(Ledger(home.redis, StoreSettings(redis_url=home.redis_url, lease_s=90)))
        begun = {
            name: [client.submit("https://example.com/talk.mp4").job_id for _ in range(JOBS)]
            for name, client in clients.items()
        }
        runs = [run for job_ids in begun.values() for job_id in job_ids if (run := store.start(job_id))]
        engine = Thread(target=_work, args=(runs,))
        engine.start()
        waits = {
            name: [pool.submit(clients[name].wait, job_id, timeout=120) for job_id in job_ids]
            for name, job_ids in begun.items()
        }
        engine.join()
        ended = {name: [wait.result().job_id for wait in found] for name, found in waits.items()}
        return {
            name: [Waited.of(clients[name].metrics.jobs[job_id]) for job_id in job_ids]
            for name, job_ids in ended.items()
        }


def _work(runs: list[Run]) -> None:
    """Report on all jobs now and then, and end them one after the other: what an engine does, without one."""
    began_s = monotonic()
    for report in range(1, REPORTS + 1):
        _sleep_until(began_s + report * LASTS_S / (REPORTS + 1))
        for each in runs:
            each.advance(STAGES[report * len(STAGES) // (REPORTS + 1)], report / (REPORTS + 1))
    for place, each in enumerate(runs):
        _sleep_until(began_s + LASTS_S + place * APART_S)
        each.complete(Output(video_url="https://example.com/a.mp4", captions_url="https://example.com/a.vtt"))


def _sleep_until(at_s: float) -> None:
    sleep(max(0.0, at_s - monotonic()))
