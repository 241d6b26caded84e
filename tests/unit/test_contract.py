import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import RFC_4122

import pytest
from given import START, a_job

from contract import moves, resume
from contract.errors import (
    DubqError,
    IllegalTransitionError,
    InvalidFieldsError,
    JobExistsError,
    RequestError,
    ResumeTokenError,
    ServiceUnavailableError,
    SettingsError,
)
from contract.ids import is_job_id, uuid7
from contract.job import Eta, Failure, Job, Output
from contract.revival import by_code, revive
from contract.settings import Environment, number, one_of
from contract.states import NEXT, ForeignState, Result, State, diagram

LATER = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)


def test_a_job_survives_the_wire_whole() -> None:
    job = a_job(
        title="T",
        metadata={"a": 1},
        eta=Eta(p10_s=1, p50_s=2, p90_s=3),
        output=Output(video_url="v", captions_url="c"),
        error=Failure(code="x", message="y"),
        started_at=LATER,
    )
    assert Job.from_wire(job.to_wire()) == job


def test_the_document_has_the_fields_of_the_contract() -> None:
    assert set(a_job().to_wire()) == {
        *("job_id", "client_id", "state", "result", "done", "seq", "stage", "progress", "attempt", "max_attempts"),
        *("position", "eta", "video_url", "title", "source_language", "target_language", "video_duration_s"),
        *("priority", "metadata", "callback_url", "engine", "output", "error"),
        *("created_at", "started_at", "finished_at", "updated_at"),
    }


def test_a_reader_ignores_fields_it_does_not_know() -> None:
    wire = a_job().to_wire() | {"mood": "good", "eta": {"p10_s": 1, "p50_s": 2, "p90_s": 3, "p99_s": 4}}
    assert Job.from_wire(wire).eta == Eta(p10_s=1, p50_s=2, p90_s=3)


TOMORROW = {"state": "paused", "done": False, "result": "pending", "priority": "express", "stage": "mixing"}


def test_a_word_of_tomorrow_prints_and_compares_as_itself() -> None:
    job = Job.from_wire(a_job().to_wire() | TOMORROW)
    assert (job.state, job.priority, job.stage) == ("paused", "express", "mixing")
    assert (f"{job.state} {job.priority}", job.state.value) == ("paused express", "paused")
    assert (job.done, job.result) == (False, Result.PENDING)
    assert {"paused": 1}[job.state] == 1
    assert json.dumps(job.to_wire()) == json.dumps(a_job().to_wire() | TOMORROW)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda job: pickle.loads(pickle.dumps(job))])  # noqa: S301
def test_a_job_in_a_state_of_tomorrow_can_be_copied_and_pickled(again: Callable[[Job], Job]) -> None:
    state = again(Job.from_wire(a_job().to_wire() | {"state": "refused", "done": True, "result": "refused"})).state
    assert isinstance(state, ForeignState)
    assert (state, state.is_final, state.result) == ("refused", True, "refused")


@pytest.mark.parametrize("word", [{"state": "paused"}, {"priority": "express"}])
def test_whoever_goes_by_the_table_refuses_words_of_tomorrow(word: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(word.values()))):
        Job.from_wire(a_job().to_wire() | word, strict=True)


@pytest.mark.parametrize("words", [{"state": 1}, {"state": "paused", "done": 1}, {"priority": None, "state": []}])
def test_what_is_no_word_at_all_is_no_document(words: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Job.from_wire(a_job().to_wire() | words)


def test_no_move_is_known_for_a_job_in_a_state_of_tomorrow() -> None:
    with pytest.raises(IllegalTransitionError):
        moves.cancel(Job.from_wire(a_job().to_wire() | TOMORROW), LATER)


def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    assert a_job().to_wire()["created_at"] == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize("state", State)
def test_done_and_result_are_computed_from_the_table(state: State) -> None:
    wire = a_job().to_wire() | {"state": state.value}
    job = Job.from_wire(wire)
    assert job.done == (not NEXT[state])
    assert job.result == (Result(state.value) if job.done else Result.PENDING)


def test_a_passing_failure_is_tried_again_until_attempts_run_out() -> None:
    passing = Failure(code="x", message="", retryable=True)
    job = moves.start(a_job(max_attempts=2), LATER)
    again = moves.fail_attempt(job, LATER, passing)
    assert (again.state, again.attempt, again.error, again.started_at) == (State.QUEUED, 2, None, None)
    ended = moves.fail_attempt(moves.start(again, LATER), LATER, passing)
    assert (ended.state, ended.error, ended.finished_at) == (State.ERROR, passing, LATER)


def test_a_lasting_failure_is_not_tried_again() -> None:
    job = moves.fail_attempt(moves.start(a_job(), LATER), LATER, Failure(code="x", message=""))
    assert job.state is State.ERROR


def test_a_job_that_is_handed_back_begins_again_as_the_same_attempt() -> None:
    running = moves.advance(moves.start(a_job(), START), START, stage="voice", progress=0.5)
    back = moves.hand_back(running, LATER)
    assert (back.state, back.attempt, back.seq) == (State.QUEUED, running.attempt, running.seq + 1)
    assert (back.stage, back.progress, back.started_at) == (None, 0.5, None)
    again = moves.advance(moves.start(back, LATER), LATER, stage="fetch", progress=0.1)
    assert (again.stage, again.progress) == ("fetch", 0.5)
    with pytest.raises(IllegalTransitionError):
        moves.hand_back(back, LATER)


def test_a_reset_starts_over_with_a_higher_seq() -> None:
    done = moves.complete(moves.start(a_job(), LATER), LATER, Output(video_url="v", captions_url="c"))
    again = moves.reset(done, LATER)
    assert (again.state, again.attempt, again.seq, again.output, again.progress) == (State.QUEUED, 1, 4, None, 0.0)
    with pytest.raises(IllegalTransitionError):
        moves.reset(again, LATER)


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = [DubqError, *_all(DubqError)]
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))
    assert all(by_code(kind.code) is kind for kind in kinds[1:])


def _all(kind: type[DubqError]) -> list[type[DubqError]]:
    return [each for child in kind.__subclasses__() for each in (child, *_all(child))]


def test_a_problem_becomes_the_error_it_was() -> None:
    error = revive({"code": "job_exists", "detail": "taken", "status": 409}, job_id="j1", job=None)
    assert (type(error), str(error), error.job_id) == (JobExistsError, "taken", "j1")


def test_a_problem_names_its_fields() -> None:
    wire = {"code": "invalid_fields", "errors": [{"pointer": "/title", "message": "too long"}]}
    error = revive(wire, job_id=None, job=None)
    assert isinstance(error, InvalidFieldsError)
    assert error.errors[0].pointer == "/title"


@pytest.mark.parametrize(("status", "kind"), [(418, RequestError), (503, ServiceUnavailableError)])
def test_an_unknown_problem_is_judged_by_its_status(status: int, kind: type[DubqError]) -> None:
    assert isinstance(revive({"code": "new_in_v9", "status": status}, job_id=None, job=None), kind)


@pytest.mark.parametrize("text", ["a", "A-b_9", "x" * 64])
def test_legal_job_ids(text: str) -> None:
    assert is_job_id(text)


@pytest.mark.parametrize("text", ["", "x" * 65, "a:b", "a b", "a\n", "é"])
def test_illegal_job_ids(text: str) -> None:
    assert not is_job_id(text)


def test_uuid7_is_one_and_sorts_by_time() -> None:
    first, second = uuid7(1, b"\xff" * 10), uuid7(2, b"\x00" * 10)
    assert (first.version, first.variant) == (7, RFC_4122)
    assert str(first) < str(second)
    assert is_job_id(str(first))


def test_all_wrong_settings_are_reported_at_once() -> None:
    env = Environment({"A": "x", "B": "9", "C": ""})
    assert env.read("A", 1.0, number(0, 5)) == 1.0
    assert env.read("B", 1.0, number(0, 5)) == 1.0
    assert env.read("C", "no", one_of("yes", "no")) == "no"
    with pytest.raises(SettingsError) as caught:
        env.check()
    assert [problem[:2] for problem in caught.value.problems] == ["A=", "B="]


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "6"])
def test_a_number_is_finite_and_within_bounds(text: str) -> None:
    with pytest.raises(ValueError, match="from 0 to 5"):
        number(0, 5)(text)


def test_the_diagram_in_the_docs_is_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")
    assert f"```mermaid\n{diagram()}```" in page


def test_start_is_the_only_way_into_running() -> None:
    running = moves.start(a_job(), START)
    with pytest.raises(IllegalTransitionError):
        moves.start(running, START)
    with pytest.raises(IllegalTransitionError):
        moves.advance(a_job(), START, stage="fetch", progress=0.1)


def test_a_job_says_what_to_resume_by() -> None:
    assert a_job("talk-es").resume_token == resume.token("talk-es")
    assert resume.token("talk-es") == "dubq1.talk-es"
    assert resume.parse("dubq1.talk-es") == "talk-es"


@pytest.mark.parametrize("token", ["dubq2.talk-es", "dubq01.talk-es", "dubq99999999999999999999.{}"])
def test_a_token_of_another_version_is_refused_by_its_number(token: str) -> None:
    with pytest.raises(ResumeTokenError, match=r"is a resume token of version \d+, and this dubq knows version 1"):
        resume.parse(token)
    with pytest.raises(ValueError, match="version"):
        resume.parse(token)
