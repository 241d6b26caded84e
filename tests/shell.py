"""`dubq up` and its company, as a user runs them: real processes, from the shell's side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
from service import ROOT

from client import TranslationClient
from contract.states import State

if TYPE_CHECKING:
    from pathlib import Path

UP_S = 30
DUBQ = [sys.executable, "-m", "cli.main"]


class Shell:
    """Runs `dubq …` with a runtime folder of its own, and ends what a test has left running."""

    def __init__(self, folder: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUBQ_")}
        self.env = {**inherited, "XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        self.clients: list[TranslationClient] = []

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*DUBQ, *words], env=self.env | env, capture_output=True, text=True, timeout=90, check=False
        )

    def up(self, *words: str) -> Up:
        err = (self.folder / f"up-{len(self.started)}.err").open("w+")
        process = subprocess.Popen(
            [*DUBQ, "up", "--json", *words], env=self.env, stdout=subprocess.PIPE, stderr=err, text=True
        )
        self.started.append(process)
        assert process.stdout
        line = process.stdout.readline()  # comes when the service is ready, or is empty when it has ended
        err.seek(0)
        assert line, err.read()
        err.close()
        found = Up(self, process, json.loads(line))
        self.clients.append(found.client)
        return found

    def end(self) -> None:
        for client in self.clients:
            client.close()
        for process in self.started:
            with suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid).children(recursive=True)
                for each in family:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


class Up:
    """A service that runs."""

    def __init__(self, shell: Shell, process: subprocess.Popen[str], said: dict[str, Any]) -> None:
        self.shell, self.process = shell, process
        self.url, self.port, self.said = said["url"], str(said["port"]), said
        self.client = TranslationClient(self.url, redis_url=said["redis_url"])

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def parts(self) -> dict[str, int]:
        report = json.loads(self.shell.run("server-status", "--port", self.port, "--json").stdout)
        return {each["name"]: each["pid"] for each in report["processes"] if each["state"] != "down"}

    def is_ready(self) -> bool:
        return self.shell.run("server-status", "--port", self.port).returncode == 0

    def submit(self, job_id: str, duration_s: float) -> None:
        simulate = {"duration_s": duration_s}
        self.client.submit("https://example.com/v.mp4", target_language="es", job_id=job_id, simulate=simulate)

    def is_running(self, job_id: str) -> bool:
        return self.client.get_status(job_id).state is State.RUNNING

    def end_of(self, job_id: str) -> State:
        return self.client.wait(job_id, timeout=60, raise_on_failure=False).state


def leftovers(shell: Shell, family: list[psutil.Process]) -> list[str]:
    """Return what a service that has ended should not have left: processes, sockets, folders, words."""
    alive = [str(each) for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    folders = [str(each) for each in shell.folder.glob("dubq-*")]
    return alive + folders + [str(each) for each in shell.folder.glob("dubq")]
