"""Jobs per second of the whole path, beside RQ's own no-op function on the same stock workers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final

from rq import Queue
from rq.serializers import JSONSerializer

from client import TranslationClient
from contract.states import State
from store import keys
from store.workers import QUEUE

from .figures import Load, bar, ms, quantile, rate, table, title
from .house import PRELOADING, House, house, stock_workers, until

WORKERS: Final = 2
JOBS: Final = 60
ROUNDS: Final = 3
SUBMITTERS: Final = 4
PATIENCE_S: Final = 50.0
WARM_UP: Final = 2 * WORKERS

COMMANDS: Final = {
    "rq worker -S json": (),
    "rq worker -S json -c worker.rq_config": PRELOADING,
}


def run() -> bool:
    rows: list[list[str]] = []
    submitted = 0
    with house(workers=0) as home, TranslationClient(home.url) as client:
        load = Load()
        for command, options in COMMANDS.items():
            with stock_workers(home, WORKERS, *options):
                rows.append([f"`{command}`", *_measure(home, client)])
            submitted += WARM_UP + ROUNDS * JOBS
        busy = load.words()
        completed = home.redis.zcard(keys.listing("default", State.COMPLETED))
    title(f"Jobs per second from POST /jobs to the end, {WORKERS} workers, {ROUNDS} rounds of {JOBS} jobs of 0 s")
    table(("workers", "jobs/s: median (least to most)", "RQ alone, a no-op", "ratio", "more per job"), rows)
    print(busy)
    return bar(f"all {submitted} jobs are completed", is_met=completed == submitted)


def _measure(home: House, client: TranslationClient) -> list[str]:
    """Let our jobs and RQ's own take turns on the same workers."""
    path: list[float] = []
    bare: list[float] = []
    _jobs(home, client, WARM_UP)
    for _ in range(ROUNDS):
        bare.append(_noops(home, JOBS))
        path.append(_jobs(home, client, JOBS))
    ours, theirs = quantile(path, 0.5), quantile(bare, 0.5)
    return [rate(path), rate(bare), f"{ours / theirs:.2f}", ms(WORKERS / ours - WORKERS / theirs)]


def _jobs(home: House, client: TranslationClient, count: int) -> float:
    """Return the rate at which `count` jobs go all the way."""

    def submit(_: int) -> None:
        client.submit("https://example.com/talk.mp4", simulate={"duration_s": 0})

    def put() -> None:
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            list(pool.map(submit, range(count)))

    return _rate(home, keys.FINISHED, count, put)


def _noops(home: House, count: int) -> float:
    """Return the rate at which RQ alone calls a function that does nothing."""
    queue = _queue(home)

    def put() -> None:
        for _ in range(count):
            queue.enqueue("time.sleep", 0)

    return _rate(home, queue.finished_job_registry.key, count, put)


def _rate(home: House, ended: str, count: int, put: Callable[[], None]) -> float:
    """Return jobs per second from the first submission until the sorted set `ended` has all of them."""
    before = home.redis.zcard(ended)
    began_s = perf_counter()
    put()
    until(lambda: home.redis.zcard(ended) - before, lambda more: more >= count, within_s=PATIENCE_S)
    took_s = perf_counter() - began_s
    # a job is final a moment before RQ has filed its delivery; the next round begins with idle workers
    under_way = _queue(home).started_job_registry.key
    until(lambda: home.redis.zcard(under_way), lambda busy: busy == 0, within_s=5)
    return count / took_s


def _queue(home: House) -> Queue:
    return Queue(QUEUE, connection=home.redis, serializer=JSONSerializer)
