"""The service as docker-compose.yml has it, on a real Docker engine. Only for those who ask: `pytest tests/compose`."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from service import ROOT, eventually, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out of every run that does not name it: it needs a Docker engine, and minutes."""
    del collection_path
    named = (config.invocation_params.dir / word.split("::")[0] for word in config.args)
    return None if any(path.resolve().is_relative_to(HERE) for path in named) else True


class Stack:
    """A project of its own, on a free port, with a tag of its own for the image."""

    def __init__(self) -> None:
        self.name = f"dubq-test-{secrets.token_hex(4)}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.redis_port = free_port()
        self.redis_password = secrets.token_urlsafe()
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("DUBQ_")} | {
            "DUBQ_PORT": str(self.port),
            "DUBQ_REDIS_PORT": str(self.redis_port),
            "DUBQ_REDIS_PASSWORD": self.redis_password,
            "DUBQ_VERSION": self.name,
            "DUBQ_SIM_ERROR_RATE": "0",
        }

    def compose(self, *words: str, over: Path | None = None) -> str:
        """Run a command of Compose and return what it prints. `over` is laid over the file; no `.env` is read."""
        project = ("-p", self.name, "--project-directory", str(ROOT), "--env-file", os.devnull)
        files = [word for file in (ROOT / "docker-compose.yml", over) if file for word in ("-f", str(file))]
        return self._run("docker", "compose", *project, *files, "--progress", "quiet", *words)

    def docker(self, *words: str) -> str:
        return self._run("docker", *words)

    def up(self, *, workers: int = 1, over: Path | None = None) -> None:
        self.compose("up", "-d", "--wait", "--scale", f"worker={workers}", over=over)

    def remove(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "1")
        self.docker("image", "rm", "--force", f"dubq:{self.name}")

    def containers(self, service: str) -> list[dict[str, Any]]:
        """Return what Docker knows of a service's containers, the ended ones too."""
        ids = self.compose("ps", "--all", "--quiet", service).split()
        return list(json.loads(self.docker("inspect", *ids))) if ids else []

    def workers(self) -> int:
        answer = requests.get(f"{self.url}/readyz", timeout=5).json()
        return answer["workers"] or 0

    def submit(self, duration_s: float) -> str:
        body = {"video_url": "https://example.com/v.mp4", "simulate": {"duration_s": duration_s}}
        answer = requests.post(f"{self.url}/jobs", json=body, timeout=10)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/jobs/{job_id}", timeout=10)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def states(self, job_ids: list[str]) -> list[str]:
        return [self.job(job_id)["state"] for job_id in job_ids]

    def valkey_cli(self, *words: str, password: str = "") -> str:
        """Ask Valkey in its own container."""
        return self.compose("exec", "-T", "--env", f"REDISCLI_AUTH={password}", "valkey", "valkey-cli", *words)

    def ends(self) -> list[str]:
        """Return the job_ids of the feed's final entries, one for each."""
        text = self.valkey_cli("-3", "--json", "XRANGE", "dubq:feed:default", "-", "+", password=self.redis_password)
        told = [json.loads(fields[1]) for _, fields in json.loads(text)]
        return [job["job_id"] for job in told if job["done"]]

    def finish(self, job_ids: list[str], within_s: float) -> None:
        """Return once all are completed, having ended once each."""
        eventually(lambda: set(self.states(job_ids)) == {"completed"}, within_s, pause_s=0.25)
        ends = self.ends()
        assert [ends.count(job_id) for job_id in job_ids] == [1] * len(job_ids)

    def crash(self, container: str) -> None:
        """Let every process of a container die of itself; the shell that says so may be among them."""
        self._run("docker", "exec", container, "sh", "-c", "kill -9 -1", fine=(0, 128 + signal.SIGKILL))

    def _run(self, *words: str, fine: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(words, env=self._env, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode in fine, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    made = Stack()
    try:
        made.compose("build")
        yield made
    finally:
        made.remove()
