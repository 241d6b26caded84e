"""Many readers of server-sent events on one API process, while the jobs of a thousand of them end within a second.

Then the same once more with some among them that never read.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic, sleep, time
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

import psutil

from client import TranslationClient
from contract.job import Output
from store import keys
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

from . import readers
from .figures import Load, bar, ms, quantile, table, title
from .house import House, house, until

READERS: Final = 10_000
STUCK: Final = 300
"""So many of them never read, of a job whose documents are long and which changes all the time."""
FILLING: Final = 200
"""Changes of that job before all that waits for them is full, here and in the system."""
JOBS: Final = 1_000
CHANGES_EACH: Final = 10
"""After so many ends that job changes once."""
END_S: Final = 1.0
"""All jobs end within this time."""
IDLE_S: Final = 3.0
QUIET: Final = 0.2
"""Share of a core below which a process has nothing left to do but to say that it is there."""
SPARE: Final = 500
"""Descriptors for everything else."""
MOST_MB: Final = 320
MOST_P99_S: Final = 0.025
MESSAGES: Final = 3_000
"""Published while nobody waits, for what the one pattern costs."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one run came to. Memory in MB; of the CPU, shares of a core."""

    stuck: int
    empty_mb: float
    full_mb: float
    ended_mb: float
    idle: float
    busy: float
    delays_s: list[float]
    opened_s: float
    unheard_s: float


def run() -> bool:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(READERS, (most - SPARE) // JOBS * JOBS)
    load = Load()
    found = [_run(count, stuck) for stuck in (0, STUCK)]
    title(f"{count} readers on one API process; the jobs of {JOBS} of them end within {END_S:g} s")
    head = (
        "never read",
        "memory: empty",
        "with all readers",
        "after the ends",
        "of one reader",
        "idle CPU",
        "CPU while they end",
        "p50",
        "p99",
        "last",
    )
    table(head, [_row(each, count) for each in found])
    opened = " and ".join(f"{each.opened_s:.1f} s" for each in found)
    print(f"All were connected in {opened}. {load.words()}")
    print(f"A message that nobody waits for costs the process {found[0].unheard_s * 1e6:.0f} µs of CPU.")
    return all(list(map(_is_met, found)))


def _run(count: int, stuck: int) -> Found:
    with house(workers=0) as home:
        api = _api_process()
        empty_mb = _mb(api)
        unheard_s = _unheard(home, api)
        runs, restless, quiet = _runs(home)
        reading = [*(each.job.job_id for each in runs), *[quiet] * (count - JOBS - stuck)]
        with _crowd(home, reading, [restless.job.job_id] * stuck) as report:
            opened_s = report()["opened_s"]
            _change(restless, FILLING)
            until(lambda: _cpu(api, lambda: sleep(1)), lambda share: share < QUIET, within_s=60)
            idle = _cpu(api, lambda: sleep(IDLE_S))
            full_mb = _mb(api)
            busy = _cpu(api, lambda: _end(runs, restless))
            delays_s: list[float] = report()["delays_s"]
            ended_mb = _mb(api)
    return Found(stuck, empty_mb, full_mb, ended_mb, idle, busy, delays_s, opened_s, unheard_s)


def _row(found: Found, count: int) -> tuple[object, ...]:
    return (
        found.stuck,
        f"{found.empty_mb:.0f} MB",
        f"{found.full_mb:.0f} MB",
        f"{found.ended_mb:.0f} MB",
        f"{(found.full_mb - found.empty_mb) * 1000 / count:.1f} kB",
        f"{found.idle:.1%}",
        f"{found.busy:.0%}",
        *(ms(quantile(found.delays_s, each)) for each in (0.5, 0.99, 1.0)),
    )


def _is_met(found: Found) -> bool:
    which = f"where {found.stuck} never read" if found.stuck else "where all read"
    p99_s = quantile(found.delays_s, 0.99)
    return all(
        [
            bar(f"the reader of each job that has ended was told so, {which}", is_met=len(found.delays_s) == JOBS),
            bar(f"{MOST_MB} MB at most, {which}", is_met=max(found.full_mb, found.ended_mb) <= MOST_MB),
            bar(f"p99 of {ms(MOST_P99_S)} at most, {which}", is_met=p99_s <= MOST_P99_S),
        ]
    )


def _mb(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1e6)


def _api_process() -> psutil.Process:
    """Return gunicorn's one worker: the gunicorn whose parent is one."""
    family = {
        each.pid: each for each in psutil.Process().children(recursive=True) if "gunicorn" in " ".join(each.cmdline())
    }
    (worker,) = (each for each in family.values() if each.ppid() in family)
    return worker


def _unheard(home: House, api: psutil.Process) -> float:
    """Return the CPU seconds that one message costs while nobody waits for it."""
    payload = "x" * 700

    def publish() -> None:
        with home.redis.pipeline(transaction=False) as pipe:
            for number in range(MESSAGES):
                pipe.publish(keys.channel("default", f"j{number}"), payload)
            pipe.execute()
        sleep(1)  # until all have been heard

    began = api.cpu_times()
    publish()
    ended = api.cpu_times()
    return (ended.user + ended.system - began.user - began.system) / MESSAGES


def _cpu(process: psutil.Process, act: Callable[[], None]) -> float:
    """Return the share of a core that a process takes while something happens."""
    began, began_s = process.cpu_times(), monotonic()
    act()
    ended, took_s = process.cpu_times(), monotonic() - began_s
    return (ended.user + ended.system - began.user - began.system) / took_s


def _runs(home: House) -> tuple[list[Run], Run, str]:
    """Return jobs that run, one with long documents that does so as well, and one that never will."""
    long = f"https://example.com/{'v' * 2000}"
    with TranslationClient(home.url) as client:
        made = client.submit_many([{"video_url": "https://example.com/talk.mp4", "title": "A talk"}] * JOBS)
        long_one = client.submit(long, metadata={"more": "m" * 2000}).job_id
        quiet = client.submit("https://example.com/talk.mp4").job_id
    store = RunStore(Ledger(home.redis, StoreSettings(redis_url=home.redis_url, lease_s=600)))
    restless = store.start(long_one)
    if restless is None:
        raise RuntimeError("somebody else has taken the job")
    return [run for job in made if (run := store.start(job.job_id))], restless, quiet


def _change(restless: Run, times: int) -> None:
    for _ in range(times):
        restless.advance("voice", 0.5)


def _end(runs: list[Run], restless: Run) -> None:
    """End all of them, evenly over the time, or as fast as that goes. Each says when in its output."""
    began_s = monotonic()
    for number, each in enumerate(runs):
        sleep(max(0.0, began_s + END_S * number / len(runs) - monotonic()))
        if number % CHANGES_EACH == 0:
            _change(restless, 1)
        each.complete(Output(video_url=f"{readers.STAMP}{time():.6f}", captions_url="https://example.com/c"))


@contextmanager
def _crowd(home: House, job_ids: list[str], stuck: list[str]) -> Iterator[Callable[[], dict[str, Any]]]:
    """Let one process read all these jobs' streams, but for those `stuck`; yield what reads its next report."""
    order = {"port": urlsplit(home.url).port, "job_ids": job_ids, "stuck": stuck, "ends": JOBS}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.readers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("no pipes")
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        try:
            yield partial(_report, process.stdout)
        finally:
            process.kill()


def _report(stdout: TextIO) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stdout.readline())
    return found
