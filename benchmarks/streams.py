"""Many readers of server-sent events on one API process, while the jobs of a thousand of them end within a second.

Among them are some that never read.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from .house import House, house

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
SPARE: Final = 500
"""Descriptors for everything else."""
MOST_MB: Final = 320
MOST_P99_S: Final = 0.025
MESSAGES: Final = 3_000
"""Published while nobody waits, for what the one pattern costs."""


def run() -> bool:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(READERS, (most - SPARE) // JOBS * JOBS)
    with house(workers=0) as home:
        api = _api_process()
        empty_mb = api.memory_info().rss / 1e6
        unheard = _unheard(home, api)
        load = Load()
        runs, restless, quiet = _runs(home)
        reading = [*(each.job.job_id for each in runs), *[quiet] * (count - JOBS - STUCK)]
        with _crowd(home, reading, [restless.job.job_id] * STUCK) as report:
            opened_s = report()["opened_s"]
            _change(restless, FILLING)
            idle = _cpu(api, lambda: sleep(IDLE_S))
            full_mb = api.memory_info().rss / 1e6
            busy = _cpu(api, lambda: _end(runs, restless))
            delays_s: list[float] = report()["delays_s"]
        words = load.words()
    title(f"{count} readers on one API process, {STUCK} never read; the jobs of {JOBS} end within {END_S:g} s")
    delays = tuple(ms(quantile(delays_s, each)) for each in (0.5, 0.99, 1.0))
    head = (
        "memory: empty",
        "with all readers",
        "of one reader",
        "idle CPU",
        "CPU while they end",
        "p50",
        "p99",
        "last",
    )
    each_kb = (full_mb - empty_mb) * 1000 / count
    row = (f"{empty_mb:.0f} MB", f"{full_mb:.0f} MB", f"{each_kb:.1f} kB", f"{idle:.1%}", f"{busy:.0%}", *delays)
    table(head, [row])
    print(f"All were connected in {opened_s:.1f} s. {words}")
    print(f"A message that nobody waits for costs the process {unheard * 1e6:.0f} µs of CPU.")
    return all(
        (
            bar("the reader of each job that has ended was told so", is_met=len(delays_s) == JOBS),
            bar(f"{MOST_MB} MB at most", is_met=full_mb <= MOST_MB),
            bar(f"p99 of {ms(MOST_P99_S)} at most", is_met=quantile(delays_s, 0.99) <= MOST_P99_S),
        )
    )


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
