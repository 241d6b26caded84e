"""`dubq up` and its company, as a user runs them: real processes, from the shell's side."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from service import ROOT, eventually, free_port

from client import TranslationClient
from contract.job import STAGES
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.sockets

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


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = Shell(tmp_path)
    yield found
    found.end()


def leftovers(shell: Shell, family: list[psutil.Process]) -> list[str]:
    """Return what a service that has ended should not have left: processes, sockets, folders, words."""
    alive = [str(each) for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    folders = [str(each) for each in shell.folder.glob("dubq-*")]
    return alive + folders + [str(each) for each in shell.folder.glob("dubq")]


def test_jobs_are_done_and_survive_a_restart(shell: Shell, tmp_path: Path) -> None:
    data = tmp_path / "my data"  # a space, for Valkey's command line
    first = shell.up("--port", "0", "--workers", "1", "--data", str(data))
    first.submit("quick", 0.2)
    assert first.end_of("quick") is State.COMPLETED
    first.submit("running", 1.5)
    first.submit("queued", 0.2)
    eventually(lambda: first.is_running("running"), 10)
    family = first.family()
    assert shell.run("stop", "--port", first.port).returncode == 0
    assert first.process.wait(5) == 0
    assert leftovers(shell, family) == []

    second = shell.up("--port", "0", "--workers", "1", "--data", str(data))
    assert second.client.get_status("quick").state is State.COMPLETED
    assert second.client.get_status("running").state is State.COMPLETED  # the worker was given the time to finish it
    assert second.end_of("queued") is State.COMPLETED


def test_the_whole_path_through_the_shell(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1")
    words = ("https://example.com/v.mp4", "--to", "es", "--url", up.url, "--json", "--job-id", "j1", "--wait")
    done = shell.run("submit", *words, "--simulate", '{"duration_s": 1}')
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "completed")
    assert any(f"j1: {stage} " in done.stderr for stage in STAGES)  # a busy machine may miss some of them
    again = shell.run("reset", "j1", "--url", up.url)
    assert (again.returncode, "dubq wait j1" in again.stderr) == (0, True)
    assert shell.run("wait", "j1", "--url", up.url).returncode == 0
    endless = ("--to", "es", "--job-id", "j2", "--simulate", '{"outcome": "stall"}')
    assert shell.run("submit", "https://example.com/v.mp4", *endless, "--url", up.url).returncode == 0
    assert shell.run("cancel", "j2", "--url", up.url).returncode == 0
    assert shell.run("wait", "j2", "--url", up.url).returncode == 1
    assert "j2" in shell.run("jobs", "--state", "cancelled", "--url", up.url).stdout
    assert shell.run("status", "j3", "--url", up.url).returncode == 2


@pytest.mark.parametrize("part", ["valkey", "api", "worker-1"])
def test_a_part_that_is_killed_comes_back_and_nothing_is_lost(shell: Shell, tmp_path: Path, part: str) -> None:
    up = shell.up("--port", "0", "--workers", "1", "--data", str(tmp_path / "data"))
    up.submit("j1", 3)
    up.submit("j2", 0.2)
    eventually(lambda: up.is_running("j1"), 10)
    before = up.parts()[part]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: up.parts().get(part, before) != before, UP_S)
    eventually(up.is_ready, UP_S)
    assert (up.end_of("j1"), up.end_of("j2")) == (State.COMPLETED, State.COMPLETED)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    up = shell.up("--port", "0", "--workers", "2")
    up.submit("j1", 2)
    eventually(lambda: up.is_running("j1"), 10)
    family = up.family()
    assert len(family) >= 6  # Valkey, gunicorn and its process, two workers, a work horse
    up.process.send_signal(number)
    assert up.process.wait(20) == 0
    assert leftovers(shell, family) == []


def test_ctrl_c_while_the_parts_start_is_heard_at_once(shell: Shell) -> None:
    process = subprocess.Popen(
        [*DUBQ, "up", "--port", "0"], env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    shell.started.append(process)
    supervisor = psutil.Process(process.pid)
    eventually(lambda: len(supervisor.children(recursive=True)) >= 4, 20)
    family = supervisor.children(recursive=True)
    process.send_signal(signal.SIGINT)
    began_s = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began_s < 1.5
    assert (process.returncode, out, err) == (130, "", "dubq: Stopped before the service was up\n")
    assert leftovers(shell, family) == []


def test_nohup_keeps_the_service_over_the_end_of_its_terminal(shell: Shell) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        up = shell.up("--port", "0", "--workers", "1")
    finally:
        signal.signal(signal.SIGHUP, before)
    up.process.send_signal(signal.SIGHUP)
    up.submit("j1", 0.2)
    assert up.end_of("j1") is State.COMPLETED
    assert up.is_ready()


def test_stop_speaks_of_running_jobs_only_where_there_are_any(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1")
    assert "running" not in shell.run("stop", "--port", up.port).stderr
    up = shell.up("--port", "0", "--workers", "1", "--drain", "0.5")
    up.submit("j1", 600)
    eventually(lambda: up.is_running("j1"), 10)
    assert "1 running job has 0.5 s" in shell.run("stop", "--port", up.port).stderr


def test_a_second_ctrl_c_ends_at_once(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1", "--drain", "600")
    up.submit("j1", 600)
    eventually(lambda: up.is_running("j1"), 10)
    family = up.family()
    up.process.send_signal(signal.SIGINT)
    err = shell.folder / "up-0.err"
    eventually(lambda: "finishing 1 job" in err.read_text(), 5)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(5) == 0
    assert leftovers(shell, family) == []


def test_a_job_longer_than_the_drain_is_given_up(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1", "--drain", "0.5")
    up.submit("j1", 600)
    eventually(lambda: up.is_running("j1"), 10)
    family = up.family()
    assert shell.run("stop", "--port", up.port).returncode == 0
    assert leftovers(shell, family) == []


def test_the_remains_of_a_killed_supervisor_are_ended_by_stop(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1")
    up.submit("j1", 600)
    eventually(lambda: up.is_running("j1"), 10)
    family = up.family()
    up.process.kill()
    up.process.wait()
    assert shell.run("server-status", "--port", up.port).returncode == 5
    found = shell.run("stop", "--port", up.port)
    assert (found.returncode, "was killed before" in found.stdout) == (0, True)
    assert leftovers(shell, family) == []
    assert shell.run("stop", "--port", up.port).returncode == 5


def test_the_remains_of_a_killed_supervisor_make_way_for_the_next(shell: Shell, tmp_path: Path) -> None:
    port, data = str(free_port()), str(tmp_path / "data")
    first = shell.up("--port", port, "--workers", "1", "--data", data)
    first.submit("j1", 0.2)
    first.end_of("j1")
    family = first.family()
    first.process.kill()
    first.process.wait()
    elsewhere = shell.run("up", "--port", "0", "--data", data)
    assert (elsewhere.returncode, f"dubq stop --port {port}" in elsewhere.stderr) == (2, True)
    second = shell.up("--port", port, "--workers", "1", "--data", data)
    assert [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    assert second.client.get_status("j1").state is State.COMPLETED


def test_a_second_service_on_the_same_port_or_data_is_refused(shell: Shell, tmp_path: Path) -> None:
    up = shell.up("--port", "0", "--workers", "1", "--data", str(tmp_path / "data"))
    same_port = shell.run("up", "--port", up.port)
    assert (same_port.returncode, f"runs on port {up.port} already" in same_port.stderr) == (2, True)
    same_data = shell.run("up", "--port", "0", "--data", str(tmp_path / "data"))
    assert (same_data.returncode, f"in use by the service on port {up.port}" in same_data.stderr) == (2, True)
    assert up.is_ready()


def test_a_taken_port_is_named_and_nothing_is_left(shell: Shell) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        found = shell.run("up", "--port", port)
    assert (found.returncode, f"port {port}" in found.stderr) == (2, True)
    assert leftovers(shell, []) == []


def test_all_wrong_settings_are_named_at_once(shell: Shell) -> None:
    found = shell.run("up", "--port", "0", DUBQ_SIM_SPEED="fast", DUBQ_LOG_LEVEL="loud", DUBQ_JOB_TTL_S="-1")
    assert found.returncode == 2
    assert all(name in found.stderr for name in ("DUBQ_SIM_SPEED", "DUBQ_LOG_LEVEL", "DUBQ_JOB_TTL_S"))
    assert found.stderr.count("DUBQ_JOB_TTL_S") == 1
    assert leftovers(shell, []) == []


def test_a_part_that_cannot_start_ends_the_start_and_nothing_is_left(shell: Shell) -> None:
    found = shell.run("up", "--port", "0", GUNICORN_CMD_ARGS="--nonsense")
    assert (found.returncode, "api did not start" in found.stderr) == (5, True)
    assert leftovers(shell, []) == []


def test_there_is_no_status_and_no_stop_of_what_does_not_run(shell: Shell) -> None:
    port = str(free_port())
    assert shell.run("server-status", "--port", port).returncode == 5
    assert shell.run("stop", "--port", port).returncode == 5


def test_a_wait_can_be_left_with_ctrl_c_and_the_job_goes_on(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1")
    up.submit("j1", 3)
    waiting = subprocess.Popen(
        [*DUBQ, "wait", "j1", "--url", up.url], env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert waiting.stderr
    waiting.stderr.readline()  # it has shown the job, so it waits
    waiting.send_signal(signal.SIGINT)
    _, words = waiting.communicate(timeout=10)
    assert waiting.returncode == 130
    assert f"dubq wait j1 --url {up.url}" in words
    assert up.end_of("j1") is State.COMPLETED


def test_a_redis_of_ones_own_is_used_and_left_alone(shell: Shell, valkey: Any) -> None:
    url = f"unix://{valkey.unix_socket_path}"
    shell.env["DUBQ_REDIS_URL"] = url
    up = shell.up("--port", "0", "--workers", "1")
    assert up.said["redis_url"] == url
    assert "valkey" not in up.parts()
    up.submit("own", 0.2)
    assert up.end_of("own") is State.COMPLETED
    assert shell.run("stop", "--port", up.port).returncode == 0
    assert valkey.is_running()
    both = shell.run("up", "--port", "0", "--data", "x")
    assert (both.returncode, "--data" in both.stderr) == (2, True)
