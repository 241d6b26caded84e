"""The commands that wait, against a client that follows a script."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from scripted import CANCELLED, DONE, FAILED, RUNNING, Scripted, run

from cli.waits import Waiting, wait_for_all
from contract.errors import (
    AuthenticationError,
    DubqError,
    ForbiddenError,
    InternalError,
    JobNotFoundError,
    RateLimitedError,
    ServiceUnavailableError,
    WaitTimeoutError,
)
from contract.resume import token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contract.job import Job

TIMED_OUT = WaitTimeoutError("time is over")


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (DONE, 0),
        (FAILED, 1),
        (CANCELLED, 1),
        (JobNotFoundError("no such job"), 2),
        (AuthenticationError(), 3),
        (ForbiddenError(), 3),
        (WaitTimeoutError(job=RUNNING), 4),
        (ServiceUnavailableError(), 5),
        (InternalError(), 5),
    ],
)
def test_a_wait_exits_with_what_became_of_the_job(end: Job | DubqError, status: int) -> None:
    assert run(Scripted(end), "wait", "j1").exit_code == status
    assert run(Scripted(end), "submit", "https://e.x/v", "--to", "es", "--wait").exit_code == status


def test_a_wait_that_times_out_prints_the_command_that_waits_on() -> None:
    found = run(Scripted(WaitTimeoutError(job=RUNNING)), "wait", "j1", "--timeout", "5", "--url", "http://h:1")
    assert "j1 is voice 40% after 5 s and goes on" in found.stderr
    assert "dubq wait j1 --url http://h:1" in found.stderr
    assert not found.stdout


def test_ctrl_c_in_a_wait_prints_the_command_that_waits_on() -> None:
    found = run(Scripted(KeyboardInterrupt()), "wait", "j1", "j2")
    assert found.exit_code == 130
    assert "dubq wait j1 j2" in found.stderr


def test_the_command_that_waits_on_does_not_show_the_token() -> None:
    found = run(Scripted(WaitTimeoutError(job=RUNNING)), "wait", "j1", "--token", "secret")
    assert "secret" not in found.output


def test_who_cannot_be_reached_is_not_waited_for() -> None:
    assert run(Scripted(DONE, first=ServiceUnavailableError("away")), "wait", "j1").exit_code == 5


@pytest.mark.parametrize("unknown", ["nope", "no/id"])
def test_an_unknown_first_job_keeps_nobody_from_waiting_for_the_others(unknown: str) -> None:
    found = run(Scripted(DONE, unknown=["nope"]), "wait", unknown, "j1")
    assert found.exit_code == 2
    assert unknown in found.stderr
    assert found.stdout.startswith("j1 completed")


def test_a_job_that_is_forgotten_meanwhile_keeps_nobody_from_waiting_for_the_others() -> None:
    client = Scripted(DONE, ends={"j2": JobNotFoundError(job_id="j2")})
    found = run(client, "wait", "j1", "j2", "j3")
    assert found.exit_code == 2
    assert [line.split()[0] for line in found.stdout.splitlines()] == ["j1", "j3"]
    assert client.waits == [["j1", "j2", "j3"], ["j3"]]


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        ({}, 0),
        ({"j2": FAILED}, 1),
        ({"j1": CANCELLED, "j2": JobNotFoundError(job_id="j2")}, 2),
        ({"j1": JobNotFoundError(job_id="j1"), "j2": ForbiddenError()}, 3),
        ({"j1": FAILED, "j2": TIMED_OUT}, 4),
    ],
)
def test_of_several_jobs_the_highest_status_wins(ends: dict[str, Job | BaseException], status: int) -> None:
    assert run(Scripted(DONE, ends=ends), "wait", "j1", "j2", "j3").exit_code == status


def test_many_jobs_are_one_wait_and_their_steps_are_not_written_into_files() -> None:
    client = Scripted(DONE)
    ids = [f"j{number}" for number in range(200)]
    found = run(client, "wait", *ids, ids[0])
    assert client.waits == [ids]
    assert [line.split()[0] for line in found.stdout.splitlines()] == ids
    assert not found.stderr


def test_a_resume_token_waits_as_the_id_does() -> None:
    client = Scripted(DONE)
    found = run(client, "wait", "j1", RUNNING.resume_token, token("j2"), "dubq99.j3")
    assert client.waits == [["j1", "j2"]]
    assert (found.exit_code, "version 99" in found.stderr) == (2, True)


def test_what_has_ended_before_is_not_waited_for() -> None:
    class Ended(Scripted):
        def get_statuses(self, job_ids: Iterable[str]) -> dict[str, Job]:
            return {job_id: replace(DONE, job_id=job_id) for job_id in job_ids}

    client = Ended(KeyboardInterrupt())
    found = run(client, "wait", "j1", "j2")
    assert (found.exit_code, client.waits) == (0, [])
    assert len(found.stdout.splitlines()) == 2


def test_a_service_that_is_only_busy_is_waited_for() -> None:
    client = Scripted(DONE, first=RateLimitedError("slow down"))
    assert run(client, "wait", "j1").exit_code == 0


@pytest.mark.parametrize("end", [TIMED_OUT, KeyboardInterrupt()])
def test_the_command_that_waits_on_names_those_that_have_not_ended(end: BaseException) -> None:
    ids = [f"j{number}" for number in range(30)]
    found = run(Scripted(DONE, ends={"j10": end}), "wait", *ids, "--url", "http://h/?a=b&c", "--token", "t")
    *_, command = found.stderr.splitlines()
    assert shlex.split(command) == ["dubq", "wait", *ids[10:], "--url", "http://h/?a=b&c"]


def test_few_of_many_unfinished_jobs_are_told_of_in_words_and_all_in_json() -> None:
    ids = [f"j{number}" for number in range(30)]
    words = run(Scripted(TIMED_OUT), "wait", *ids)
    assert words.stderr.count("goes on") == 10
    assert "and 20 more" in words.stderr
    lines = run(Scripted(TIMED_OUT), "wait", *ids, "--json").stdout.splitlines()
    errors = [json.loads(line)["error"] for line in lines]
    assert [error["job_id"] for error in errors] == ids
    assert {(error["code"], error["exit_status"]) for error in errors} == {("wait_timeout", 4)}


def test_a_job_that_has_been_looked_at_leaves_less_time_to_wait_for_the_rest() -> None:
    client, now_s = Scripted(DONE, ends={"j1": JobNotFoundError(job_id="j1")}), iter((0.0, 1.0, 4.0))
    waiting = Waiting(["j1", "j2"], lambda *_: None)
    wait_for_all(client, waiting, 10, lambda _: None, lambda: next(now_s))
    assert client.asked["timeout"] == 6
    assert not waiting.left


def test_with_json_each_finished_job_is_one_line_on_standard_output() -> None:
    found = run(Scripted(DONE), "wait", "j1", "j2", "--json")
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert {each["job_id"] for each in lines} == {"j1", "j2"}
    assert all(each["state"] == "completed" for each in lines)


def test_words_of_progress_are_on_standard_error() -> None:
    found = run(Scripted(DONE), "wait", "j1")
    assert "voice 40%" in found.stderr
    assert found.stdout.startswith("j1 completed")
