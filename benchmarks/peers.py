"""Other queues' workers on the same jobs, each in one process at the setting that suits it best.

They live in an environment of their own, which nothing else needs: see ADVICE.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import redis

from . import deeds
from .house import until

ROOT: Final = Path(__file__).parents[1]
PYTHON: Final = Path(os.environ.get("DUBQ_PEERS", ROOT / ".venv-peers/bin/python"))
ADVICE: Final = (
    "python3 -m venv .venv-peers && .venv-peers/bin/pip install --require-hashes -r requirements/peers.txt"
    " adds them (DUBQ_PEERS names another Python)"
)
COUNT: Final = 5_000
WORKERS: Final[Mapping[str, tuple[str, ...]]] = {
    "huey": ("huey.bin.huey_consumer", "benchmarks.peer_queues.with_huey.queue", "-k", "thread", "-w", "8", "-q"),
    "dramatiq": ("dramatiq", "benchmarks.peer_queues.with_dramatiq", "--processes", "1", "--threads", "8"),
    "taskiq": (
        "taskiq",
        "worker",
        "benchmarks.peer_queues.with_taskiq:queue",
        "--workers",
        "1",
        "--log-level",
        "ERROR",
    ),
    "saq": ("saq", "benchmarks.peer_queues.with_saq.settings", "--quiet"),
    "arq": ("arq", "benchmarks.peer_queues.with_arq.Worker"),
    "celery": (
        *("celery", "-A", "benchmarks.peer_queues.with_celery:queue", "worker", "-P", "threads", "-c", "100"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR"),
    ),
}
"""The command line of each worker, after `python -m`."""
WITHIN_S: Final = 90.0


def rates(url: str) -> dict[str, float]:
    """Return how many jobs per second each of them drains from a full queue; nothing if they are not installed."""
    if not PYTHON.exists():
        return {}
    return {name: _rate(name, url) for name in WORKERS}


def killed(url: str, count: int, within_s: float) -> dict[str, tuple[int, float]]:
    """Kill each of them in the middle of so many jobs of two seconds, and start it again.

    Return how many jobs had ended `within_s` of the kill, and when the last of those did, in seconds from it; nothing
    if they are not installed.
    """
    if not PYTHON.exists():
        return {}
    return {name: _killed(name, url, count, within_s) for name in WORKERS}


def _killed(name: str, url: str, count: int, within_s: float) -> tuple[int, float]:
    env = _environment(url, count) | {"PEER_HOLD": "1"}
    with redis.Redis.from_url(url) as connection:
        connection.flushall()
        _fill(name, env)
        with _running(name, env):
            until(lambda: connection.hlen(deeds.HOLDING), lambda found: found > 0, within_s=WITHIN_S)
            sleep(deeds.HOLD_S / 2)
        return ended_within(lambda: int(connection.hlen(deeds.HELD)), count, within_s, lambda: _running(name, env))


def ended_within(
    ended: Callable[[], int], count: int, within_s: float, running: Callable[[], AbstractContextManager[object]]
) -> tuple[int, float]:
    """Run a worker again; return how many jobs have ended within so many seconds, and when the last one had."""
    began_s, known, last_s = monotonic(), ended(), 0.0
    with running():
        while known < count and monotonic() - began_s < within_s:
            if (found := ended()) > known:
                known, last_s = found, monotonic() - began_s
            sleep(0.02)
    return known, last_s


def _environment(url: str, count: int) -> dict[str, str]:
    return {**os.environ, "DUBQ_REDIS_URL": url, "PYTHONPATH": str(ROOT), "PEER_COUNT": str(count)}


def _fill(name: str, env: Mapping[str, str]) -> None:
    fill = (str(PYTHON), "-m", f"benchmarks.peer_queues.with_{name}")
    subprocess.run(fill, env=env, cwd=ROOT, check=True, timeout=WITHIN_S)


def _rate(name: str, url: str) -> float:
    env = _environment(url, COUNT)
    with redis.Redis.from_url(url) as connection:
        connection.delete(deeds.BEGAN, deeds.ENDED)
        _fill(name, env)
        with _running(name, env):
            until(lambda: connection.get(deeds.ENDED), bool, within_s=WITHIN_S)
        began_s, ended_s = (float(moment or 0) for moment in connection.mget(deeds.BEGAN, deeds.ENDED))
    return COUNT / (ended_s - began_s)


@contextmanager
def _running(name: str, env: Mapping[str, str]) -> Iterator[None]:
    """Run a peer's worker in a session of its own; end all of it."""
    argv = (str(PYTHON), "-m", *WORKERS[name])
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=quiet, stderr=quiet, stdin=quiet, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait()


if __name__ == "__main__":
    for peer, rate in rates(sys.argv[1]).items():
        print(f"{peer}: {rate:.0f} jobs per second")
