"""How a service of `dubq up` ends: by signals, by `dubq stop`, by being killed; and what it leaves."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psutil
import pytest
from service import eventually, free_port
from shell import DUBQ, Shell, leftovers

from contract.states import State

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    up = shell.up("--port", "0", "--workers", "2")
    up.submit("j1", 2)
    eventually(lambda: up.is_running("j1"), 10)
    family = up.family()
    assert len(family) >= 5  # Valkey, gunicorn and its process, two workers
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


def test_a_worker_that_could_not_hear_either_ctrl_c_ends_when_it_can(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1", "--drain", "600")
    up.submit("j1", 600)
    eventually(lambda: up.is_running("j1"), 10)
    family, worker = up.family(), psutil.Process(up.parts()["worker-1"])
    err = shell.folder / "up-0.err"
    worker.suspend()  # signals of one kind that wait for a process are one
    up.process.send_signal(signal.SIGINT)
    eventually(lambda: "finishing 1 job" in err.read_text(), 5)
    up.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        up.process.wait(0.2)
    worker.resume()
    assert up.process.wait(4) == 0
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
