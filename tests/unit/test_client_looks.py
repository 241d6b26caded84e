"""Who looks alone and who looks together, and what each is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from worlds import COMPLETED, RUNNING, Waiting, look

from client import http
from client.audience import Attempts, Audience
from client.http import Answer
from client.looks import MOST_LOOKS, Turns, can_share, late, parts, together
from client.steps import Line, Send
from client.switchboard import PACE_S, Signal
from contract.errors import AuthenticationError, InvalidFieldsError, JobNotFoundError, ServiceUnavailableError

if TYPE_CHECKING:
    from client.switchboard import News


def test_five_thousand_go_in_fifty_requests() -> None:
    turns = Turns[Waiting]()
    for number in range(5000):
        if not turns.begin():
            turns.wait(look(f"{number:036d}"))
    sizes = []
    while batch := turns.end():
        sizes.append(len(batch))
    assert (sum(sizes), len(sizes)) == (5000 - MOST_LOOKS, 49)


def test_a_look_that_goes_alone_is_what_it_is() -> None:
    step = look("j1").step
    assert together([step]) is step
    answer: Answer[Any] = Answer(retry_after_s=3.0)
    assert parts(answer, [step]) == [answer]


def test_together_they_have_the_time_of_the_most_patient_and_the_insistence_of_any() -> None:
    steps = [look("j1", 1.0).step, look("j2", 3.0, insist=True).step, look("j1", 2.0, is_retry=True).step]
    step = together(steps)
    assert step == Send(request=step.request, within_s=3.0, is_retry=True, insist=True)
    assert step.request.params == {"ids": "j1,j2"}


def test_each_is_answered_about_its_own_job() -> None:
    steps = [look("j1").step, look("j2").step, look("j1").step]
    found, missing, same = parts(Answer(value=(COMPLETED,), retry_after_s=2.0), steps)
    assert found == same == Answer(value=COMPLETED, retry_after_s=2.0)
    assert isinstance(missing.error, JobNotFoundError)
    assert (missing.error.job_id, missing.is_passing) == ("j2", False)


@pytest.mark.parametrize(
    "error", [ServiceUnavailableError("away"), AuthenticationError("no"), InvalidFieldsError([])], ids=lambda e: e.code
)
def test_each_has_an_error_of_its_own_to_add_to(error: Any) -> None:
    one, other = parts(Answer(error=error, is_passing=True), [look("j1").step, look("j2").step])
    assert one.error is not None
    one.error.job_id, one.error.job = "j1", RUNNING
    assert other.error is not None
    assert (type(other.error), str(other.error), other.error.job_id) == (type(error), str(error), None)


def test_only_a_look_at_one_job_by_its_id_can_be_shared() -> None:
    read = http.read_job("j1", 3)
    assert can_share(read)
    others = (http.hold_for(read, 5, until_done=True), http.read_single(), http.cancel("j1"), http.read_many(["j1"]))
    assert not any(map(can_share, others))


def test_who_was_not_answered_in_time_may_ask_again() -> None:
    assert late(look("j1", 2.5).step).is_passing
    assert "2.5 s" in str(late(look("j1", 2.5).step).error)


# A stream that is shared.


class Box:
    def __init__(self, *job_ids: bytes) -> None:
        self.channels, self.news = job_ids, list[Any]()

    def put(self, news: News) -> None:
        self.news.append(news)


def test_everybody_hears_of_his_jobs_alone() -> None:
    audience, one, both = Audience(), Box(b"j1"), Box(b"j1", b"j2")
    jobs = [replace(RUNNING, job_id=job_id) for job_id in ("j1", "j2", "j3")]
    audience.admit(one)
    audience.admit(both)
    for job in jobs:
        audience.hear(json.dumps(job.to_wire()).encode())
    for nothing in (b'{"job_id": "j1"}', b"{}", b"[]", b"nonsense"):
        audience.hear(nothing)
    assert (one.news, both.news) == (jobs[:1], jobs[:2])
    assert one.news[0] is both.news[0]  # it was read once
    audience.dismiss(one)
    audience.tell_all(Signal.LOST)
    assert (one.news[1:], both.news[2:]) == ([], [Signal.LOST])
    assert not audience.is_empty
    audience.dismiss(both)
    assert audience.is_empty


def test_a_stream_that_cannot_be_had_is_not_asked_for_by_everybody() -> None:
    attempts = Attempts()
    assert attempts.spare(1.0, at_s=50.0) is None
    attempts.note(Answer(error=AuthenticationError("no"), retry_after_s=7.0, is_away=True), Line.NONE, at_s=50.0)
    spared = attempts.spare(1.0, at_s=50.0 + PACE_S / 2)
    assert spared == (Answer(is_passing=True, is_away=True, retry_after_s=7.0), Line.NONE)
    assert attempts.spare(1.0, at_s=50.0 + PACE_S) is None
    assert attempts.spare(0.0, at_s=90.0) is not None


def test_an_attempt_without_time_says_nothing_of_the_road() -> None:
    attempts = Attempts()
    attempts.note(Answer(), Line.NONE, 0.0)
    assert attempts.spare(0.0, 1e6) == (Answer(is_passing=True), Line.DOWN)


def test_who_waits_no_more_is_forgotten_all_at_once() -> None:
    turns = Turns[Waiting]()
    while turns.begin():
        pass
    waiting = [look("a"), look("b")]
    for each in waiting:
        turns.wait(each)
    assert turns.clear() == waiting
    assert turns.end() == []
