"""Bad weather for a whole service: workers killed and frozen, Valkey killed and started again, as the dice say."""

from __future__ import annotations

import random
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
from history import check
from service import LOADED, Service, eventually, kill_tree
from waiters import VIDEO

from client import TranslationClient

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """All in seconds: how long it storms, how often a worker is killed, for how long one freezes; and the outages."""

    lasts_s: float
    kill_every_s: float
    freeze_s: float
    outages: int


@dataclass
class Storm:
    """Rages over `service`, whose workers are started with the words `worker`."""

    service: Service
    dice: random.Random
    worker: tuple[str, ...] = LOADED
    done: list[str] = field(default_factory=list)

    def rage(self, weather: Weather) -> None:
        """Let it storm, and return once everything is up again."""
        began_s = time.monotonic()
        for at_s, act in sorted(self._plan(weather), key=lambda step: step[0]):
            eventually(lambda at_s=at_s: time.monotonic() - began_s >= at_s, weather.lasts_s + 60)
            act()
            self._supervise()

    def _plan(self, weather: Weather) -> list[tuple[float, Callable[[], None]]]:
        kills = int(weather.lasts_s / weather.kill_every_s)
        plan: list[tuple[float, Callable[[], None]]] = [(weather.kill_every_s * n, self._kill) for n in range(1, kills)]
        plan += [
            (weather.lasts_s * n / (weather.outages + 1), self._restart_valkey) for n in range(1, weather.outages + 1)
        ]
        cold = self.service.workers[0]
        plan += [
            (0.5, lambda: self._signal(cold, "suspend")),
            (0.5 + weather.freeze_s, lambda: self._signal(cold, "resume")),
        ]
        return plan

    def _kill(self) -> None:
        """Kill a worker with what it has forked, or that alone."""
        victim = self.dice.choice(self.service.workers[1:])
        horses = psutil.Process(victim.pid).children(recursive=True) if victim.poll() is None else []
        if horses and self.dice.random() < 1 / 2:
            for horse in horses:
                with suppress(psutil.NoSuchProcess):
                    horse.kill()
            self.done.append("horse killed")
        else:
            kill_tree(victim)
            self.done.append("worker killed")

    def _restart_valkey(self) -> None:
        self.service.valkey.terminate()
        self.service.start_valkey()
        self.done.append("valkey killed")

    def _signal(self, worker: subprocess.Popen[bytes], act: str) -> None:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(worker.pid)
            for each in [*root.children(recursive=True), root]:
                with suppress(psutil.NoSuchProcess):
                    getattr(each, act)()
            self.done.append(f"worker {act}")

    def _supervise(self) -> None:
        """Start a worker for each that is gone, at its place."""
        for place, worker in enumerate(self.service.workers):
            if worker.poll() is not None:
                self.service.start_worker(*self.worker)
                self.service.workers[place] = self.service.workers.pop()


def survive(service: Service, weather: Weather, *, jobs: int, workers: int, duration_s: float) -> None:
    """Submit the jobs, let it storm, wait until all have ended, and check and print what was told of them."""
    service.start_valkey()
    service.start_api()
    for _ in range(workers):
        service.start_worker(*LOADED)
    eventually(lambda: service.connection().scard("rq:workers") == workers, 60)
    storm = Storm(service, random.Random(2026))  # noqa: S311 - to play the same again
    with TranslationClient(service.url) as client:
        wish = {"video_url": VIDEO, "simulate": {"duration_s": duration_s}}
        job_ids = [job.job_id for job in client.submit_many([wish] * jobs)]
        storm.rage(weather)
        eventually(lambda: all(job.done for job in client.get_statuses(job_ids).values()), 100, pause_s=0.2)
    sys.stdout.write(f"\n{', '.join(storm.done)}\n{check(service.connection(), job_ids)}\n")
