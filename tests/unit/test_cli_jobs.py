"""The commands about jobs that do not wait, against a client that follows a script."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from click.testing import CliRunner
from scripted import CANCELLED, DONE, RUNNING, Scripted, run

from cli.main import dubq
from contract.errors import (
    FieldProblem,
    IllegalTransitionError,
    InvalidFieldsError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from contract.states import State

if TYPE_CHECKING:
    from pathlib import Path


def test_with_json_an_error_is_a_document_too() -> None:
    found = run(Scripted(DONE, first=JobNotFoundError("no such job", job_id="j1")), "status", "j1", "--json")
    assert found.exit_code == 2
    error = json.loads(found.stdout)["error"]
    assert error == {"code": "job_not_found", "message": "no such job", "job_id": "j1", "exit_status": 2}


def test_submit_prints_the_id_alone_for_shells() -> None:
    found = run(Scripted(DONE), "submit", "https://e.x/v", "--to", "es")
    assert (found.stdout, found.exit_code) == ("j1\n", 0)
    assert "dubq wait j1" in found.stderr


def test_submit_hands_on_what_was_said() -> None:
    client = Scripted(DONE)
    words = "--to es --from en --title T --job-id j9 --priority high --duration 61.5 --metadata a=1=2 --metadata b="
    rest = ["--callback-url", "https://c.x", "--max-attempts", "2", "--simulate", '{"duration_s": 3}', "--engine", "a"]
    assert run(client, "submit", "https://e.x/v", *words.split(), *rest).exit_code == 0
    sent = client.asked["submitted"]
    assert sent.pop("timeout") <= 10
    assert sent == {
        "video_url": "https://e.x/v",
        "target_language": "es",
        "source_language": "en",
        "title": "T",
        "job_id": "j9",
        "priority": "high",
        "video_duration_s": 61.5,
        "metadata": {"a": "1=2", "b": ""},
        "callback_url": "https://c.x",
        "max_attempts": 2,
        "engine": "a",
        "simulate": {"duration_s": 3},
    }


def test_what_the_service_finds_wrong_is_named() -> None:
    refusal = InvalidFieldsError([FieldProblem("/video_url", "has to be an http or https URL")])
    found = run(Scripted(DONE, first=refusal), "submit", "x", "--to", "es")
    assert found.exit_code == 2
    assert "/video_url: has to be an http or https URL" in found.stderr


def test_a_step_that_the_jobs_state_does_not_allow_exits_with_2() -> None:
    assert run(Scripted(IllegalTransitionError(DONE, State.CANCELLED)), "cancel", "j1").exit_code == 2


def test_cancelling_a_running_job_says_that_it_was_asked() -> None:
    assert "asked to stop" in run(Scripted(RUNNING), "cancel", "j1").stdout
    assert "is cancelled" in run(Scripted(CANCELLED), "cancel", "j1").stdout


def test_jobs_can_be_listed_by_client_and_state() -> None:
    client = Scripted(DONE)
    found = run(client, "jobs", "--client", "acme", "--state", "queued", "--limit", "1", "--json")
    assert [each["job_id"] for each in json.loads(found.stdout)["jobs"]] == ["j3"]
    assert (client.asked["for"], client.asked["state"]) == ("acme", "queued")


def test_jobs_are_a_table_for_people() -> None:
    lines = run(Scripted(DONE), "jobs").stdout.splitlines()
    assert lines[0].split() == ["JOB", "STATE", "TO", "CREATED", "TITLE"]
    assert [line.split()[0] for line in lines[1:]] == ["j3", "j2", "j1"]


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBQ_URL", "http://far:1")
    monkeypatch.setenv("DUBQ_TOKEN", "t")
    client = Scripted(DONE)
    run(client, "status", "j1")
    assert (client.asked["url"], client.asked["token"]) == ("http://far:1", "t")
    assert client.asked["closed"]


def test_a_submission_whose_answer_is_lost_can_be_sent_again_as_the_same() -> None:
    for lost, status in ((ServiceUnavailableError("away"), 5), (KeyboardInterrupt(), 130)):
        client = Scripted(DONE, first=lost)
        found = run(client, "submit", "https://e.x/v", "--to", "es")
        job_id = client.asked["submitted"]["job_id"]
        assert UUID(job_id).version == 7
        assert (found.exit_code, f"--job-id {job_id}" in found.stderr) == (status, True)


@pytest.mark.parametrize("end", [ServiceUnavailableError("away"), KeyboardInterrupt()], ids=repr)
def test_a_submit_without_an_answer_says_how_to_send_it_again_and_how_to_wait(end: BaseException) -> None:
    found = run(Scripted(DONE, first=end), "submit", "https://e.x/v", "--to", "es", "--job-id", "talk")
    assert "--job-id talk, it is still one job" in found.stderr
    assert "dubq wait talk" in found.stderr


@pytest.mark.parametrize("where", ["file", "stdin"])
def test_the_token_may_be_in_a_file_which_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("DUBQ_TOKEN", "another")
    kept = "t0k3n"
    (tmp_path / "token").write_text(kept + "\n")
    client = Scripted(DONE)
    given = str(tmp_path / "token") if where == "file" else "-"
    assert CliRunner().invoke(dubq, ["status", "j1", "--token-file", given], obj=client, input=kept).exit_code == 0
    assert client.asked["token"] == kept


@pytest.mark.parametrize("text", ["", " \n", "secr€t"])
def test_a_file_without_a_token_is_refused_before_anybody_is_asked(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    client = Scripted(DONE)
    found = run(client, "status", "j1", "--token-file", str(tmp_path / "token"))
    assert (found.exit_code, client.asked) == (2, {})
    assert "secr" not in found.output
