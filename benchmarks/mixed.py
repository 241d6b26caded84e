"""Mixed load at four fifths of the peak, for as long as is wanted: no error that is not the caller's, nothing grows.

`python -m benchmarks.mixed SECONDS`, or `make soak-mixed`. Exit status 1: something was wrong.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from time import sleep
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from .figures import Load, bar, table, title
from .house import House, house, until
from .http import ADMIN, token_of

SECONDS: Final = 60.0
PEAK_S: Final = 6.0
"""So long the load is as much as can be answered: that is its peak, and warms everything up."""
SHARE: Final = 0.8
CONNECTIONS: Final = 64
STREAMS: Final = 50
QUIET_S: Final = 3.0
GROWTH: Final = 1.1
"""What a process may have grown by from its start to its end."""
SPARE: Final = 4
"""Descriptors: connections to Redis come and go with what is asked at once."""
ENVIRONMENT: Final = {
    "DUBQ_AUTH": "on",
    "DUBQ_ADMIN_TOKEN": ADMIN["Authorization"].removeprefix("Bearer "),
    "DUBQ_CLIENT_REQUESTS": "1000000/s",
    "DUBQ_CLIENT_QUEUED": "1000000",
    "DUBQ_JOB_TTL_S": "20",
}


@dataclass(frozen=True, slots=True)
class Size:
    """What a process holds: MB, and descriptors."""

    mb: float
    descriptors: int


def run(seconds: float = SECONDS) -> bool:
    with house(workers=0, crowds=1, processes=2, more=ENVIRONMENT) as home:
        token, parts = token_of(home), _parts()
        load = Load()
        peak = _attack(home, token, "peak", PEAK_S)
        _settle(home)
        sizes = [_sizes(parts)]
        halves = []
        for half in ("first", "second"):
            halves.append(_attack(home, token, half, seconds / 2, rate=SHARE * peak["rate"]))
            _settle(home)
            sizes.append(_sizes(parts))
        words = load.words()
    title(f"{seconds:g} s of mixed load at {SHARE:.0%} of its peak of {peak['rate']:.0f} requests/s")
    _show(parts, sizes, halves)
    print(words)
    return _is_met(sizes, [peak, *halves])


def _attack(home: House, token: str, name: str, seconds: float, rate: float = 0) -> dict[str, Any]:
    order = {"port": urlsplit(home.url).port, "token": token, "name": name, "seconds": seconds, "rate": rate}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.mixed_load"],
        input=json.dumps(order | {"connections": CONNECTIONS, "streams": STREAMS}),
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 120,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _settle(home: House) -> None:
    """Wait until all jobs have ended, and idle connections are closed."""
    until(
        lambda: home.redis.zcard("dubq:queued") + home.redis.zcard("dubq:running"), lambda left: left == 0, within_s=120
    )
    sleep(QUIET_S)


def _parts() -> dict[str, psutil.Process]:
    """Return the processes that serve: gunicorn's workers, the jobs' worker, and Valkey."""
    family = {each.pid: " ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)}
    found: dict[str, psutil.Process] = {}
    for pid, line in family.items():
        each = psutil.Process(pid)
        if "gunicorn" in line and "gunicorn" in family.get(each.ppid(), ""):
            found[f"API process {sum(name.startswith('API') for name in found) + 1}"] = each
        elif "ConcurrentWorker" in line:
            found["worker"] = each
        elif "valkey-server" in line:
            found["Valkey"] = each
    return found


def _sizes(parts: dict[str, psutil.Process]) -> dict[str, Size]:
    return {name: Size(each.memory_info().rss / 1e6, each.num_fds()) for name, each in parts.items()}


def _show(parts: dict[str, psutil.Process], sizes: list[dict[str, Size]], halves: list[dict[str, Any]]) -> None:
    rows = [
        (
            name,
            *(f"{each[name].mb:.0f} MB" for each in sizes),
            *(each[name].descriptors for each in (sizes[0], sizes[-1])),
        )
        for name in parts
    ]
    table(("process", "start", "middle", "end", "descriptors: start", "end"), rows)
    answers: dict[str, int] = {}
    for half in halves:
        for kind, count in half["answers"].items():
            answers[kind] = answers.get(kind, 0) + count
    print(", ".join(f"{kind}: {count}" for kind, count in sorted(answers.items())))
    print(f"{sum(half['streams'] for half in halves)} streams were read to the ends of their jobs.")


def _is_met(sizes: list[dict[str, Size]], found: list[dict[str, Any]]) -> bool:
    wrong = {words: count for each in found for words, count in each["wrong"].items()}
    begun, ended = sizes[0], sizes[-1]
    grown = [name for name in begun if ended[name].mb > GROWTH * begun[name].mb and name != "Valkey"]
    leaks = [name for name in begun if ended[name].descriptors > begun[name].descriptors + SPARE]
    return all(
        [
            bar(f"no error that is not the caller's {wrong or ''}", is_met=not wrong),
            bar(f"no process has grown by more than {GROWTH - 1:.0%} {grown or ''}", is_met=not grown),
            bar(f"no descriptor is left open {leaks or ''}", is_met=not leaks),
        ]
    )


if __name__ == "__main__":
    sys.exit(0 if run(*map(float, sys.argv[1:2])) else 1)
