from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from worlds import AWAY, QUEUED, job

from client import answers, http
from client.batch import MOST_BODY_BYTES, MOST_JOBS, NotAllSubmittedError, submit_many
from client.driver import drive, finish
from client.http import Answer
from client.steps import Pause, Reply, Send, Step
from contract.errors import (
    AuthenticationError,
    BodyTooLargeError,
    InternalError,
    InvalidFieldsError,
    JobExistsError,
    MethodNotAllowedError,
    NotJsonError,
    RateLimitedError,
    RequestError,
    ServiceUnavailableError,
)
from contract.states import State

if TYPE_CHECKING:
    from contract.job import Job


def submission(job_id: str, *, idempotency_key: str | None = None, **fields: Any) -> http.Request[Job]:
    return http.submit({"job_id": job_id, "video_url": "https://example.com/a.mp4"} | fields, idempotency_key)


def ids_of(request: http.Request[Any]) -> list[str]:
    body = request.body or {}
    return [each["job_id"] for each in body.get("jobs", [body])]


@dataclass
class Desk:
    """Takes whatever it is sent, unless `replies` has an answer, or says of some ids what becomes of them."""

    replies: list[Answer[Any] | dict[str, Exception]] = field(default_factory=list)
    most: int = 10_000
    now_s: float = 0.0
    sent: list[tuple[float, str, list[str]]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def __call__(self, step: Step) -> Reply:
        self.steps.append(step)
        if isinstance(step, Pause):
            self.now_s += step.seconds
            return Reply(at_s=self.now_s)
        assert isinstance(step, Send)
        ids = ids_of(step.request)
        self.sent.append((self.now_s, step.request.path, ids))
        if len(ids) > self.most:
            return Reply(at_s=self.now_s, answer=Answer(error=BodyTooLargeError()))
        reply = self.replies.pop(0) if self.replies else {}
        if isinstance(reply, Answer):
            return Reply(at_s=self.now_s, answer=reply)
        made = tuple(reply.get(each) or job(State.QUEUED, 1, job_id=each) for each in ids)
        return Reply(at_s=self.now_s, answer=Answer(value=made if step.request.path == "/jobs/batch" else made[0]))

    def submit(self, *submissions: http.Request[Job], patience_s: float = 30.0) -> list[Job]:
        return finish(drive(submit_many(submissions, patience_s, 10.0, self.now_s, lambda: 0.999_999), self), None)

    def shapes(self) -> list[tuple[str, int]]:
        return [(path, len(ids)) for _, path, ids in self.sent]


def test_a_thousand_jobs_are_one_request_and_come_back_in_order() -> None:
    desk, ids = Desk(), [f"j{n}" for n in range(MOST_JOBS)]
    assert [each.job_id for each in desk.submit(*map(submission, ids))] == ids
    assert desk.shapes() == [("/jobs/batch", 1000)]


def test_no_request_has_more_jobs_or_bytes_than_it_may() -> None:
    desk = Desk()
    desk.submit(*(submission(f"a{n}") for n in range(MOST_JOBS + 1)))
    assert [count for _, count in desk.shapes()] == [1000, 1]
    desk = Desk()
    desk.submit(*(submission(f"b{n}", title="t" * 2000) for n in range(1000)))
    assert desk.shapes()[0][1] < 1000
    assert all(
        len(json.dumps(step.request.body)) <= MOST_BODY_BYTES + 20 for step in desk.steps if isinstance(step, Send)
    )
    assert sum(count for _, count in desk.shapes()) == 1000


def test_one_submission_that_is_too_large_for_all_goes_alone() -> None:
    desk = Desk()
    desk.submit(submission("a"), submission("b", title="t" * MOST_BODY_BYTES), submission("c"))
    assert [ids for _, _, ids in desk.sent] == [["a"], ["b"], ["c"]]


def test_those_with_an_idempotency_key_go_alone_as_a_batch_has_no_place_for_it() -> None:
    desk = Desk()
    jobs = desk.submit(submission("a"), submission("b", idempotency_key="k"), submission("c"))
    assert [each.job_id for each in jobs] == ["a", "b", "c"]
    assert sorted(desk.shapes()) == [("/jobs", 1), ("/jobs/batch", 2)]
    alone = next(step.request for step in desk.steps if isinstance(step, Send) and step.request.path == "/jobs")
    assert alone.headers == {"Idempotency-Key": "k"}


@pytest.mark.parametrize("trouble", [AWAY, Answer(error=RateLimitedError(), is_passing=True), Answer()])
def test_what_got_no_usable_answer_is_sent_again_as_it_was(trouble: Answer[Any]) -> None:
    desk = Desk([trouble, trouble])
    desk.submit(submission("a"), submission("b"))
    assert [ids for _, _, ids in desk.sent] == [["a", "b"]] * 3
    assert [at_s for at_s, _, _ in desk.sent] == pytest.approx([0, 1, 3], rel=0.01)
    assert [step.is_retry for step in desk.steps if isinstance(step, Send)] == [False, True, True]


def test_others_go_before_the_pause_and_only_what_is_sent_again_counts_as_a_retry() -> None:
    desk = Desk([AWAY, AWAY])
    desk.submit(submission("k", idempotency_key="k"), submission("l", idempotency_key="l"), submission("a"))
    assert [ids for _, _, ids in desk.sent] == [["k"], ["l"], ["a"], ["k"], ["l"]]
    assert [at_s for at_s, _, _ in desk.sent] == pytest.approx([0, 0, 0, 1, 2], rel=0.01)
    assert [step.is_retry for step in desk.steps if isinstance(step, Send)] == [False, False, False, True, True]


def test_others_wait_as_well_where_the_service_asked_for_it() -> None:
    desk = Desk([Answer(error=RateLimitedError(), is_passing=True, retry_after_s=6.0)])
    desk.submit(submission("k", idempotency_key="k"), submission("a"))
    assert [(at_s, ids) for at_s, _, ids in desk.sent] == [(0, ["k"]), (6, ["a"]), (pytest.approx(7, rel=0.01), ["k"])]


def test_when_to_ask_about_a_job_that_was_accepted_holds_up_no_other() -> None:
    desk = Desk([Answer(value=job(State.QUEUED, 1, job_id="k"), retry_after_s=6.0)])
    desk.submit(submission("k", idempotency_key="k"), submission("a"))
    assert [(at_s, ids) for at_s, _, ids in desk.sent] == [(0, ["k"]), (0, ["a"])]


def test_it_is_sent_again_no_sooner_than_the_service_asked() -> None:
    desk = Desk([Answer(error=ServiceUnavailableError(), is_passing=True, retry_after_s=6.0)])
    desk.submit(submission("a"))
    assert [at_s for at_s, _, _ in desk.sent] == [0, 6]


@pytest.mark.parametrize("trouble", [ServiceUnavailableError("away"), RateLimitedError("slow down"), InternalError()])
def test_only_those_in_passing_trouble_of_their_own_are_sent_again(trouble: Exception) -> None:
    desk = Desk([{"b": trouble}])
    assert [each.job_id for each in desk.submit(*map(submission, "abc"))] == ["a", "b", "c"]
    assert [ids for _, _, ids in desk.sent] == [["a", "b", "c"], ["b"]]


def test_those_refused_for_good_are_not_sent_again_and_the_others_are_accepted() -> None:
    desk = Desk([{"b": JobExistsError(job_id="b")}])
    with pytest.raises(NotAllSubmittedError, match="1 of 3 jobs were not submitted") as raised:
        desk.submit(*map(submission, "abc"))
    assert [each and each.job_id for each in raised.value.jobs] == ["a", None, "c"]
    assert [type(each) for each in raised.value.errors] == [type(None), JobExistsError, type(None)]
    assert len(desk.sent) == 1


@pytest.mark.parametrize("refusal", [AuthenticationError("no"), MethodNotAllowedError()])
def test_a_batch_that_is_refused_is_an_error_for_each_which_names_its_job(refusal: RequestError) -> None:
    desk = Desk([Answer(error=refusal)])
    with pytest.raises(NotAllSubmittedError) as raised:
        desk.submit(*map(submission, "abc"))
    assert [(type(each), each.job_id) for each in raised.value.errors if each] == [(type(refusal), x) for x in "abc"]
    assert {str(each) for each in raised.value.errors} == {str(refusal)}
    assert len(desk.sent) == 1


def test_a_service_that_takes_less_at_once_gets_less_at_once() -> None:
    desk, ids = Desk(most=3), [f"j{n}" for n in range(10)]
    assert [each.job_id for each in desk.submit(*map(submission, ids))] == ids
    assert desk.now_s == 0


def test_what_cannot_be_read_does_not_take_the_others_with_it() -> None:
    class Strict(Desk):
        def __call__(self, step: Step) -> Reply:
            reply = super().__call__(step)
            is_read = not (isinstance(step, Send) and "c" in ids_of(step.request))
            return reply if is_read else Reply(at_s=self.now_s, answer=Answer(error=NotJsonError()))

    with pytest.raises(NotAllSubmittedError) as raised:
        Strict().submit(*map(submission, "abcdefg"))
    assert [each and each.job_id for each in raised.value.errors] == [None, None, "c", None, None, None, None]


def test_one_that_never_fares_better_does_not_hold_up_the_others() -> None:
    class Faulty(Desk):
        def __call__(self, step: Step) -> Reply:
            self.replies = [{"j7": InternalError(job_id="j7")}]
            return super().__call__(step)

    desk = Faulty()
    with pytest.raises(NotAllSubmittedError) as raised:
        desk.submit(*(submission(f"j{n}") for n in range(MOST_JOBS + 1)))
    assert [error.job_id for error in raised.value.errors if error] == ["j7"]
    assert [count for _, count in desk.shapes()][:3] == [1000, 1, 1]
    assert desk.now_s == 30


def test_once_patience_is_over_what_was_never_sent_says_so() -> None:
    desk = Desk([AWAY] * 100)
    with pytest.raises(NotAllSubmittedError) as raised:
        desk.submit(submission("a"), submission("k", idempotency_key="k"), patience_s=0)
    assert [str(each) for each in raised.value.errors] == ["there was no time left to send it", "away"]
    assert [error.job_id for error in raised.value.errors if error] == ["a", "k"]
    assert desk.shapes() == [("/jobs", 1)]


# How an answer is read.


def read(*results: Any) -> tuple[Any, ...]:
    """Read an answer to the submission of a and b."""
    sent: list[http.Request[Any]] = []

    def perform(step: Step) -> Reply:
        assert isinstance(step, Send)
        sent.append(step.request)
        return Reply(at_s=0.0, answer=Answer(value=(QUEUED, QUEUED)))

    finish(drive(submit_many([submission("a"), submission("b")], 0, 1, 0.0, lambda: 0.0), perform), None)
    found: tuple[Any, ...] = sent[0].read({"results": list(results)})
    return found


A, B = ({"status": 202, "job": job(State.QUEUED, 1, job_id=each).to_wire()} for each in "ab")


def test_each_result_is_a_job_or_an_error_that_names_it() -> None:
    problem = {"code": "invalid_fields", "errors": [{"pointer": "/video_url", "message": "is none"}]}
    first, second = read(A, {"status": 422, "problem": problem})
    assert first.job_id == "a"
    assert isinstance(second, InvalidFieldsError)
    assert (second.job_id, second.errors[0].pointer) == ("b", "/video_url")


def test_a_problem_of_tomorrow_is_the_error_of_its_status() -> None:
    _, busy = read(A, {"status": 503, "problem": {"code": "too_hot"}})
    assert isinstance(busy, ServiceUnavailableError)
    _, refused = read(A, {"status": 418, "problem": {"code": "too_cold", "detail": "brr"}})
    assert (type(refused), str(refused)) == (RequestError, "brr")


@pytest.mark.parametrize("results", [(A,), (A, B, B), (B, A), (A, {}), (A, {"status": 503}), (A, None)])
def test_what_does_not_answer_what_was_sent_is_no_answer(results: tuple[Any, ...]) -> None:
    with pytest.raises(answers._FOREIGN):
        read(*results)
