"""The commands about jobs, against a client that follows a script."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from click.testing import CliRunner, Result
from given import START, a_job

from cli.main import dubq, main
from contract.errors import (
    AuthenticationError,
    DubqError,
    FieldProblem,
    ForbiddenError,
    IllegalTransitionError,
    InternalError,
    InvalidFieldsError,
    JobNotFoundError,
    ServiceUnavailableError,
    WaitTimeoutError,
)
from contract.job import Failure, Job, Output
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DONE = replace(
    a_job(),
    state=State.COMPLETED,
    seq=5,
    progress=1.0,
    finished_at=START,
    output=Output(video_url="v", captions_url="c"),
)
FAILED = replace(
    a_job(), state=State.ERROR, seq=5, error=Failure(code="no_speech", message="silence"), finished_at=START
)
CANCELLED = replace(a_job(), state=State.CANCELLED, seq=3, finished_at=START)
RUNNING = replace(a_job(), state=State.RUNNING, seq=2, stage="voice", progress=0.4, started_at=START)


class Scripted:
    """A client that answers with `end`, or raises it; it remembers what it was asked."""

    def __init__(self, end: Job | BaseException, *, first: BaseException | None = None) -> None:
        self.end, self.first, self.asked = end, first, {}

    def __call__(self, url: str | None, *, token: str | None) -> Self:
        self.asked["url"], self.asked["token"] = url, token
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.asked["closed"] = True

    def _answer(self) -> Job:
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end

    def submit(self, video_url: str, **fields: Any) -> Job:
        if self.first:
            raise self.first
        self.asked["submitted"] = {"video_url": video_url} | fields
        return a_job()

    def get_status(self, _job_id: str) -> Job:
        if self.first:
            raise self.first
        return RUNNING

    def wait(self, job_id: str, *, on_update: Callable[[Job], object], **_: Any) -> Job:
        on_update(RUNNING)
        return replace(self._answer(), job_id=job_id)

    def cancel(self, _job_id: str) -> Job:
        return self._answer()

    reset = cancel

    def jobs(self, *, state: str | None = None) -> Iterator[Job]:
        self.asked["state"] = state
        yield from (a_job("j3"), a_job("j2", client_id="other"), a_job("j1"))


def run(client: Scripted, *words: str) -> Result:
    return CliRunner().invoke(dubq, words, obj=client, prog_name="dubq")


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
    class Knows(Scripted):
        def get_status(self, job_id: str) -> Job:
            return self._known(job_id, RUNNING)

        def wait(self, job_id: str, **_: Any) -> Job:
            return self._known(job_id, replace(DONE, job_id=job_id))

        def _known(self, job_id: str, job: Job) -> Job:
            if job_id == unknown:
                raise JobNotFoundError(job_id=job_id)
            return job

    found = run(Knows(DONE), "wait", unknown, "j1")
    assert found.exit_code == 2
    assert found.stdout.startswith("j1 completed")


def test_several_waits_exit_with_the_worst() -> None:
    class Mixed(Scripted):
        def wait(self, job_id: str, **_: Any) -> Job:
            return replace(FAILED if job_id == "j2" else DONE, job_id=job_id)

    assert run(Mixed(DONE), "wait", "j1", "j2", "j3").exit_code == 1


def test_with_json_each_finished_job_is_one_line_on_standard_output() -> None:
    found = run(Scripted(DONE), "wait", "j1", "j2", "--json")
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert {each["job_id"] for each in lines} == {"j1", "j2"}
    assert all(each["state"] == "completed" for each in lines)


def test_with_json_an_error_is_a_document_too() -> None:
    found = run(Scripted(DONE, first=JobNotFoundError("no such job", job_id="j1")), "status", "j1", "--json")
    assert found.exit_code == 2
    error = json.loads(found.stdout)["error"]
    assert error == {"code": "job_not_found", "message": "no such job", "job_id": "j1", "exit_status": 2}


def test_words_of_progress_are_on_standard_error() -> None:
    found = run(Scripted(DONE), "wait", "j1")
    assert "voice 40%" in found.stderr
    assert found.stdout.startswith("j1 completed")


def test_submit_prints_the_id_alone_for_shells() -> None:
    found = run(Scripted(DONE), "submit", "https://e.x/v", "--to", "es")
    assert (found.stdout, found.exit_code) == ("j1\n", 0)
    assert "dubq wait j1" in found.stderr


def test_submit_hands_on_what_was_said() -> None:
    client = Scripted(DONE)
    words = "--to es --from en --title T --job-id j9 --priority high --duration 61.5 --metadata a=1=2 --metadata b="
    rest = ["--callback-url", "https://c.x", "--max-attempts", "2", "--simulate", '{"duration_s": 3}']
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
        "simulate": {"duration_s": 3},
    }


@pytest.mark.parametrize(
    "words",
    [
        ("submit", "https://e.x/v"),
        ("submit", "https://e.x/v", "--to", "es", "--metadata", "nothing"),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", "{"),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", "[]"),
        ("submit", "https://e.x/v", "--to", "es", "--priority", "urgent"),
        ("wait",),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", '{"duration_s": NaN}'),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", '{"duration_s": 1e999}'),
        ("submit", "https://e.x/v", "--to", "es", "--simulate", "[" * 100_000),
        ("submit", "https://e.x/v", "--to", "es", "--duration", "nan"),
        ("submit", "https://e.x/v", "--to", "es", "--duration", "inf"),
        ("submit", "https://e.x/v", "--to", "es", "--wait", "--timeout", "nan"),
        ("wait", "j1", "--timeout", "-1"),
        ("wait", "j1", "--timeout", "nan"),
        ("watch", "--every", "nan"),
        ("up", "--drain", "nan"),
        ("stop", "--timeout", "nan"),
        ("stop", "--timeout", "inf"),
        ("status", "j1", "--url", "ftp://x"),
        ("status", "j1", "--url", "http://"),
        ("status", "j1", "--url", "http://a b"),
        ("status", "j1", "--url", "http://127.0.0.1:99999"),
        ("status", "j1", "--token", "é€"),
        ("status", "j1", "--token", "a\nb"),
        ("jobs", "--state", "lost"),
        ("jobs", "--limit", "0"),
        ("up", "--port", "70000"),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_with_2_and_asks_nobody(words: tuple[str, ...]) -> None:
    client = Scripted(DONE)
    found = run(client, *words)
    assert (found.exit_code, type(found.exception)) == (2, SystemExit)
    assert client.asked == {}


def test_a_token_that_cannot_be_one_is_not_shown() -> None:
    found = run(Scripted(DONE), "status", "j1", "--token", "secr€t")
    assert "ASCII" in found.stderr
    assert "secr" not in found.output


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_value_that_makes_no_sense_further_down_exits_with_2_too(form: tuple[str, ...]) -> None:
    found = run(Scripted(DONE, first=ValueError("never heard of")), "status", "j1", *form)
    assert (found.exit_code, type(found.exception)) == (2, SystemExit)
    assert "never heard of" in (found.stdout if form else found.stderr)


def test_full_standard_output_is_one_line_of_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    errors = StringIO()
    with full.open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", errors)
        with pytest.raises(SystemExit) as left:
            main(["jobs"], obj=Scripted(DONE))
    assert left.value.code == 1
    assert errors.getvalue().splitlines() == ["dubq: standard output cannot be written: No space left on device"]


@pytest.mark.parametrize("option", ["--callback-url", "--priority"])
def test_the_help_says_what_is_only_recorded(option: str) -> None:
    words = " ".join(run(Scripted(DONE), "submit", "--help").stdout.split())
    assert "(recorded; " in words.split(option)[1].split(" --")[0]


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
    found = run(client, "jobs", "--client", "default", "--state", "queued", "--limit", "1", "--json")
    assert [each["job_id"] for each in json.loads(found.stdout)["jobs"]] == ["j3"]
    assert client.asked["state"] == "queued"


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


def test_every_command_in_the_help_exists_and_explains_itself() -> None:
    listed = run(Scripted(DONE), "--help").stdout
    for name in dubq.list_commands(None):
        assert name in listed
        assert "--json" in run(Scripted(DONE), name, "--help").stdout
