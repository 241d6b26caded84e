"""With --json nothing but JSON is on standard output, whatever the command and however it ends."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scripted import DONE, FAILED, Scripted, run

import cli.demo
import cli.up
from cli.exits import Exit, StartError
from cli.main import COMMANDS
from contract.errors import AuthenticationError, ServiceUnavailableError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.job import Job

WORDS = {
    "submit": ("https://e.x/v", "--to", "es"),
    "submit --wait": ("https://e.x/v", "--to", "es"),
    "status": ("j1",),
    "wait": ("j1", "no/id", "j2"),
    "watch": ("--every", "0.05"),
    "cancel": ("j1",),
    "reset": ("j1",),
    "jobs": (),
    "deliveries": ("j1",),
    "redeliver": ("j1",),
    "clock": ("--advance", "60"),
    "odds": ("0.5",),
    "outage": ("slow",),
    "play": (str(Path(__file__).with_name("moment.json")),),
}
ON_THIS_MACHINE = ("demo", "up", "stop", "server-status", "webhook-secret", "listen", "engines")


class Interrupted(Scripted):
    """As a watch would go on for ever, its second list is Ctrl-C, which no other thread than the main one gets."""

    def jobs(self, **options: Any) -> Iterator[Job]:
        yield from super().jobs(**options)
        self.first = KeyboardInterrupt()

    def wait_all(self, *words: Any, **options: Any) -> dict[str, Job]:
        is_main = threading.current_thread() is threading.main_thread()
        return super().wait_all(*words, **options) if is_main else {}


def documents(out: str) -> list[dict[str, Any]]:
    """Return the lines of standard output, each of which has to be a JSON object."""
    found = [json.loads(line) for line in out.splitlines()]
    assert all(isinstance(each, dict) for each in found)
    return found


def test_no_command_is_left_out() -> None:
    assert {name.split()[0] for name in WORDS} | {*ON_THIS_MACHINE, "clients", "notify"} == {*COMMANDS}


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize(
    "end", [DONE, FAILED, WaitTimeoutError("late"), AuthenticationError(), KeyboardInterrupt()], ids=repr
)
def test_a_command_about_jobs_says_json_however_the_job_ends(command: str, end: Job | BaseException) -> None:
    found = run(Interrupted(end), *command.split(), *WORDS[command], "--json")
    documents(found.stdout)
    assert found.exit_code in set(Exit)


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize("error", [ServiceUnavailableError("away"), AuthenticationError(), ValueError("no")], ids=repr)
def test_a_command_about_jobs_that_gets_no_answer_says_so_in_json(command: str, error: Exception) -> None:
    found = run(Scripted(DONE, first=error), *command.split(), *WORDS[command], "--json")
    last = documents(found.stdout)[-1]["error"]
    assert last["exit_status"] == found.exit_code
    assert last.keys() == {"code", "message", "job_id", "exit_status"}


@pytest.mark.parametrize("command", WORDS)
def test_ctrl_c_says_nothing_on_standard_output(command: str) -> None:
    found = run(Scripted(DONE, first=KeyboardInterrupt()), *command.split(), *WORDS[command], "--json")
    assert found.exit_code == 130
    assert all("no/id" in each["error"]["message"] for each in documents(found.stdout))


@pytest.mark.parametrize("command", ["demo", "up"])
@pytest.mark.parametrize("error", [StartError("port 1: no"), KeyboardInterrupt()], ids=repr)
def test_a_service_that_does_not_start_says_json(
    command: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli.up, "Service", refuse)
    monkeypatch.setattr(cli.demo, "Service", refuse)
    found = run(None, command, "--json")
    assert [each["error"]["code"] for each in documents(found.stdout)] == ["start_failed"] * isinstance(
        error, StartError
    )
    assert found.exit_code == (5 if isinstance(error, StartError) else 130)


@pytest.mark.parametrize("command", ["stop", "server-status"])
def test_a_service_that_does_not_run_is_said_in_json(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = run(None, command, "--port", "1", "--json")
    assert found.exit_code == 5
    assert documents(found.stdout)


def test_every_job_asked_for_is_one_document_whatever_becomes_of_it() -> None:
    client = Scripted(DONE, ends={"j3": WaitTimeoutError("late")}, unknown=["j2"])
    found = run(client, "wait", "j1", "j2", "j3", "j4", "--json")
    told = [each.get("job_id") or each["error"]["job_id"] for each in documents(found.stdout)]
    assert sorted(told) == ["j1", "j2", "j3", "j4"]
    assert found.exit_code == 4
    assert "dubq wait j3 j4" in found.stderr


def test_a_receiver_that_cannot_begin_says_json() -> None:
    found = run(None, "listen", "--secret", "no base64!", "--json")
    assert found.exit_code == 2
    assert [each["error"]["exit_status"] for each in documents(found.stdout)] == [2]
