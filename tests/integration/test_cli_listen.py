"""`dubq listen`, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hooks import OTHER_SECRET, SECRET, ended, event_of, post
from service import ROOT

from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.sockets

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("DUBQ_")} | {"PYTHONPATH": str(ROOT)}
EVENT = event_of(ended())


def listen(*words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cli.main", "listen", *words],
        env=PLAIN | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Listening:
    def __init__(self, *words: str, **env: str) -> None:
        self.process = listen("--port", "0", *words, **env)
        assert self.process.stderr
        assert self.process.stdout
        self.first = self.process.stderr.readline()
        self.url = self.first.split()[4].rstrip(";")

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def interrupt(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@pytest.fixture
def started() -> Iterator[list[Listening]]:
    found: list[Listening] = []
    yield found
    for each in found:
        each.process.kill()
        each.process.communicate()


def test_each_event_is_a_line_and_ctrl_c_ends_it_well(started: list[Listening]) -> None:
    started.append(Listening(DUBQ_WEBHOOK_SECRET=SECRET))
    (running,) = started
    for event in (EVENT, EVENT, event_of(ended(State.ERROR, "j2"), "msg_2")):
        assert post(running.url, event).status_code == 204
    assert running.line() == "2026-01-01T00:00:00.000Z  j1  completed\n"
    assert running.line() == "2026-01-01T00:00:00.000Z  j2  error: no_speech\n"
    assert running.interrupt() == (0, "", "")


def test_programs_get_lines_of_json_and_people_are_told_what_is_refused(started: list[Listening]) -> None:
    started.append(Listening("--json", "--secret", OTHER_SECRET, "--secret", SECRET))
    (running,) = started
    assert running.first.startswith("webhooks are received at http://127.0.0.1:")
    assert post(running.url, EVENT, "whsec_AAAA").status_code == 401
    assert post(running.url, EVENT).status_code == 204
    assert json.loads(running.line()) == {"webhook_id": "msg_1", **EVENT.to_wire()}
    status, out, err = running.interrupt()
    assert (status, out) == (0, "")
    assert err.startswith("refused: no v1 signature")


def test_the_environment_may_have_several_secrets(started: list[Listening]) -> None:
    started.append(Listening(DUBQ_WEBHOOK_SECRET=f"{OTHER_SECRET} {SECRET}"))
    assert post(started[0].url, EVENT).status_code == 204


def refusal(*words: str, **env: str) -> tuple[int, str]:
    process = listen(*words, **env)
    _, err = process.communicate(timeout=20)
    return process.returncode, err


@pytest.mark.parametrize("secret", [{}, {"DUBQ_WEBHOOK_SECRET": ""}, {"DUBQ_WEBHOOK_SECRET": "s3cret!"}])
def test_a_secret_is_needed_and_is_never_shown(secret: dict[str, Any]) -> None:
    status, err = refusal(**secret)
    assert status == 2
    assert "secret" in err
    assert "s3cret" not in err


def test_a_taken_port_is_wrong_usage() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert refusal("--port", str(port), "--secret", SECRET) == (
            2,
            f"dubq: 127.0.0.1:{port} cannot be listened on (Address already in use)\n",
        )
