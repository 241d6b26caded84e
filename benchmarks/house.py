"""The service to measure: the one that `dubq up` runs, with the parts and settings that a benchmark asks for."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from types import MappingProxyType
from typing import Final, TypeVar

import redis

from cli.ground import Wish
from cli.parts import HOUSE
from cli.processes import Child, Part, members, send
from cli.service import Service
from store.settings import connect
from store.workers import count_workers

T = TypeVar("T")

PATIENCE_S: Final = 5.0
PRELOADING: Final = ("-c", "worker.rq_config")
"""What the README advises: the parent imports what each work horse would import again."""


@dataclass(frozen=True, slots=True)
class House:
    """A running service: where its API is, and its Redis, by URL and connected."""

    url: str
    redis_url: str
    redis: redis.Redis


@contextmanager
def house(
    *,
    workers: int,
    crowds: int = 0,
    processes: int = 1,
    tells: bool = True,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[House]:
    """Run the whole service with so many stock workers, concurrent ones and API processes. Ends all of it.

    `tells`: it offers clients its Redis to be told by. `more` is for its environment.
    """
    env = {**_environment(), "WEB_CONCURRENCY": str(processes), **more}
    if not tells:
        env["DUBQ_PUBLIC_REDIS_URL"] = "none"
    wish = Wish(env=env, port=0, workers=crowds, drain_s=PATIENCE_S)
    with Service(wish, _say) as service, connect(service.ground.redis_url) as connection:
        home = House(service.ground.url, service.ground.redis_url, connection)
        with stock_workers(home, workers, *PRELOADING):
            yield home


@contextmanager
def stock_workers(
    home: House, count: int, *options: str, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[list[Child]]:
    """Add RQ's own workers, started as the README says, with these options more; end them, and what they run.

    `more` is for their environment.
    """
    line = (sys.executable, "-m", "rq.cli", "worker", "-S", "json", *options)
    env = {**_environment(), "DUBQ_REDIS_URL": home.redis_url, "RQ_REDIS_URL": home.redis_url, **more}
    before = count_workers(home.redis)
    with TemporaryDirectory(prefix="dubq-") as folder:
        log = Path(folder) / "log"
        workers: list[Child] = []
        try:
            for number in range(count):
                part = Part(name=f"worker-{number}", argv=line, env=env, folder=HOUSE, log=log)
                workers.append(Child(part, monotonic()))
            until(lambda: count_workers(home.redis), lambda found: found - before >= count, within_s=30)
            yield workers
        finally:
            _end(workers)


def kill(workers: list[Child]) -> None:
    """Kill workers and all that they run, at one moment."""
    for each in workers:
        send(members(each.mark), signal.SIGKILL)


def _end(workers: list[Child]) -> None:
    """Ask workers to end, and do not ask twice."""
    for each in workers:
        each.send(signal.SIGTERM)
    deadline_s = monotonic() + PATIENCE_S
    while any(members(each.mark) for each in workers):
        if monotonic() > deadline_s:
            kill(workers)
        sleep(0.02)
    for each in workers:
        each.ending()


def until(read: Callable[[], T], wanted: Callable[[T], bool], *, within_s: float, pause_s: float = 0.01) -> T:
    """Read until the answer is as wanted, and return it. Raises TimeoutError."""
    deadline_s = monotonic() + within_s
    while not wanted(answer := read()):
        if monotonic() > deadline_s:
            raise TimeoutError(f"still {answer!r} after {within_s:g} s")
        sleep(pause_s)
    return answer


def _environment() -> dict[str, str]:
    """Return our own environment without what somebody may have set for a service of theirs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DUBQ_", "RQ_"))}
    return {**kept, "DUBQ_SIM_ERROR_RATE": "0", "PYTHONUNBUFFERED": "1"}


def _say(line: str) -> None:
    sys.stderr.write(f"  service: {line}\n")
