"""`dubq up`: that it starts, goes on and refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import requests
from service import eventually, free_port
from shell import DUBQ, UP_S, Shell, leftovers

from client import CallbackServer
from contract.job import STAGES
from contract.states import State

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sockets


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


def test_a_webhook_reaches_a_receiver_on_this_machine(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1")
    secrets = shell.run("webhook-secret", "--port", up.port).stdout.split()
    with CallbackServer(secrets) as server:
        words = ("https://example.com/v.mp4", "--to", "es", "--job-id", "j1", "--simulate", '{"duration_s": 0.1}')
        assert shell.run("submit", *words, "--callback-url", server.url, "--url", up.url).returncode == 0
        event = server.take(timeout=20)
        assert event.job == up.client.get_status("j1")
        eventually(lambda: "answered 204" in shell.run("deliveries", "j1", "--url", up.url).stdout, 10)
        assert shell.run("redeliver", "j1", "--url", up.url).stdout.startswith(event.webhook_id)


def test_the_whole_path_through_the_shell(shell: Shell) -> None:
    up = shell.up("--port", "0", "--workers", "1")
    words = ("https://example.com/v.mp4", "--to", "es", "--url", up.url, "--json", "--job-id", "j1", "--wait")
    done = shell.run("submit", *words, "--simulate", '{"duration_s": 3}')
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
    up.submit("j1", 6)
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


def test_the_admin_s_token_is_shown_once_and_kept_in_no_file(shell: Shell, tmp_path: Path) -> None:
    shell.env["DUBQ_AUTH"] = "on"
    data = tmp_path / "data"
    up = shell.up("--port", "0", "--workers", "0", "--data", str(data))
    (token,) = re.findall(r"shown this once: (dubq_admin_\S+)", (shell.folder / "up-0.err").read_text("utf-8"))
    answer = requests.get(f"{up.url}/clients", headers={"X-Api-Key": token}, timeout=10)
    assert answer.json() == {"clients": []}
    assert requests.get(f"{up.url}/clients", timeout=10).status_code == 401
    assert [path for path in data.rglob("*") if path.is_file() and token.encode() in path.read_bytes()] == []
