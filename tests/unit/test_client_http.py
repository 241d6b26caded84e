from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from client import answers, http
from client.sendable import check_url
from contract.errors import (
    AuthenticationError,
    IllegalTransitionError,
    InvalidFieldsError,
    JobNotFoundError,
    RateLimitedError,
    RequestError,
    ServiceUnavailableError,
)
from contract.job import Job
from contract.states import State

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
DOCUMENT = Job(
    job_id="j1",
    client_id="default",
    state=State.RUNNING,
    seq=2,
    video_url="https://example.com/a.mp4",
    created_at=NOW,
    updated_at=NOW,
)


def classify(status: int, body: Any = None, **headers: str) -> http.Answer[Job]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return answers.classify(http.read_job("j1"), status, found, raw, NOW)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("9" * 400, answers.LONGEST_RETRY_AFTER_S),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90),
        ("Sun, 22 Nov 2026 12:01:30 -0000", 90),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2099 11:00:00 GMT", answers.LONGEST_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float) -> None:
    assert answers.retry_after_s(header, NOW) == seconds


@pytest.mark.parametrize("header", ["", "soon", "-1", "1.5", "nan", "inf", "٣", "Sun, 99 Nov 2026 12:00:00 GMT"])
def test_a_retry_after_that_is_neither_is_no_advice(header: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        answers.retry_after_s(header, NOW)
    assert classify(503, retry_after=header).retry_after_s == 0


def test_a_document_is_a_job() -> None:
    answer = classify(200, DOCUMENT.to_wire() | {"a_field_of_tomorrow": 1}, retry_after="3")
    assert (answer.value, answer.error, answer.retry_after_s) == (DOCUMENT, None, 3)


def test_not_modified_is_neither_a_job_nor_an_error() -> None:
    answer = classify(304, b"", retry_after="2")
    assert (answer.value, answer.error, answer.retry_after_s) == (None, None, 2)
    with pytest.raises(ServiceUnavailableError):
        answer.result()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 521])
def test_these_statuses_pass(status: int) -> None:
    assert classify(status, b"<html>oops</html>").is_passing


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422])
def test_these_statuses_are_final(status: int) -> None:
    answer = classify(status, b"")
    assert not answer.is_passing
    assert isinstance(answer.error, RequestError)
    assert answer.error.job_id == "j1"


@pytest.mark.parametrize("body", [b"", b"<html>Welcome to the hotel</html>", b"[]", b"null", b'{"result": "pending"}'])
def test_a_good_status_with_a_foreign_body_passes(body: bytes) -> None:
    answer = classify(200, body)
    assert answer.is_passing
    assert isinstance(answer.error, ServiceUnavailableError)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthenticated", AuthenticationError),
        (404, "job_not_found", JobNotFoundError),
        (409, "illegal_transition", IllegalTransitionError),
        (429, "rate_limited", RateLimitedError),
        (503, "unavailable", ServiceUnavailableError),
        (418, "teapot_of_tomorrow", RequestError),
    ],
)
def test_a_problem_document_becomes_its_error_again(status: int, code: str, kind: type[Exception]) -> None:
    error = classify(status, {"status": status, "code": code, "detail": "because"}).error
    assert type(error) is kind
    assert str(error) == "because"


def test_wrong_fields_are_named() -> None:
    problem = {"status": 422, "code": "invalid_fields", "errors": [{"pointer": "/priority", "message": "no such"}]}
    error = classify(422, problem).error
    assert isinstance(error, InvalidFieldsError)
    assert [each.pointer for each in error.errors] == ["/priority"]


@pytest.mark.parametrize("errors", [None, "x", [1], [{}]])
def test_a_problem_document_that_is_broken_is_an_error_all_the_same(errors: Any) -> None:
    answer = classify(422, {"code": "invalid_fields", "errors": errors, "status": "?"})
    assert isinstance(answer.error, RequestError)
    assert not answer.is_passing


@pytest.mark.parametrize("payload", [b"\xff", b"[1]", b"{}", b'{"state": []}', b"[" * 100_000])
def test_a_message_that_is_no_job_is_ignored(payload: bytes) -> None:
    assert answers.job_of(answers.document(payload)) is None


def test_a_message_is_a_job() -> None:
    assert answers.job_of(answers.document(json.dumps(DOCUMENT.to_wire()).encode())) == DOCUMENT


def test_a_job_in_a_state_of_tomorrow_is_a_job_in_answers_and_in_messages() -> None:
    document = DOCUMENT.to_wire() | {"state": "paused"}
    job = classify(200, document).result()
    assert (job.state, job.done, job.seq) == ("paused", False, 2)
    assert answers.job_of(answers.document(json.dumps(document).encode())) == job


def test_a_state_of_tomorrow_that_does_not_say_whether_it_is_final_is_no_word_of_the_service() -> None:
    assert classify(200, DOCUMENT.to_wire() | {"state": "paused", "done": "?"}).is_passing


def test_a_body_that_is_nested_too_deep_is_no_word_of_the_service() -> None:
    assert classify(200, b"[" * 100_000).is_passing
    assert isinstance(classify(400, b"[" * 100_000).error, RequestError)


def test_a_time_without_a_place_is_no_word_of_the_service() -> None:
    answer = classify(200, DOCUMENT.to_wire() | {"finished_at": "2026-01-01T00:00:00"})
    assert isinstance(answer.error, ServiceUnavailableError)
    assert answer.is_passing


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://dubq.test/jobs/j1", "https://dubq.test"),
        ("https://dubq.test/base/jobs/j1?x=1", "https://dubq.test/base"),
        ("/login", "/login"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_move_is_final_and_says_where_to(status: int, location: str, where: str) -> None:
    answer = classify(status, b"", location=location)
    assert type(answer.error) is RequestError
    assert str(answer.error) == f"the service has moved to {where}: use that address"
    assert (answer.is_passing, answer.error.job_id) == (False, "j1")


def test_a_move_to_nowhere_is_final_too() -> None:
    answer = classify(300, b"")
    assert type(answer.error) is RequestError
    assert not answer.is_passing


@pytest.mark.parametrize("url", ["http://a", "https://a.test:8443/base/", "http://[::1]:5000", "http://münchen.test"])
def test_these_are_addresses_of_a_service(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "a.test",
            "localhost:5000",
            "ftp://a",
            "http:/a",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:65536",
        ),
        *("http://a:0", "http://a b", " http://a", "http://a\n", "http://[::1", "http://[zz]", "http://a..b"),
        *(f"http://{'a' * 64}.test", "http://a?b=c", "http://a#b", "http://*.a", "http://a\x7f", "http://a\\b"),
    ],
)
def test_these_are_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url has to be .*http://127\.0\.0\.1:5000"):
        check_url(url)


@pytest.mark.parametrize("arguments", [{"url": 5}, {"url": b"http://a"}, {"url": None}])
def test_an_address_has_to_be_a_string(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="url has to be a str"):
        check_url(**arguments)


def test_a_refusal_of_the_roads_means_that_there_are_none() -> None:
    def roads(status: int) -> http.Answer[http.Roads]:
        return answers.roads(answers.classify(http.connect(), status, {}, b"", NOW))

    assert roads(404).value == http.Roads(client_id="default", redis_url=None)
    assert roads(405).value == http.Roads(client_id="default", redis_url=None, is_certain=False)
    assert isinstance(roads(401).error, AuthenticationError)
    assert roads(503).is_passing


def test_a_submission_leaves_out_what_was_not_said() -> None:
    request = http.submit({"job_id": "j1", "video_url": "https://x.example/", "title": None}, "key-1")
    assert request.body == {"job_id": "j1", "video_url": "https://x.example/"}
    assert request.headers == {"Idempotency-Key": "key-1"}


def test_ids_are_cut_into_what_one_request_can_name() -> None:
    ids = [f"{number:036d}" for number in range(250)]
    chunks = list(http.chunks(ids))
    assert [each for chunk in chunks for each in chunk] == ids
    assert all(len(",".join(chunk)) <= http.MOST_IDS_CHARS for chunk in chunks)
    assert max(len(chunk) for chunk in http.chunks(["a"] * 3000)) == http.MOST_IDS
    assert list(http.chunks([])) == []


def test_a_service_without_redis_has_no_road_there() -> None:
    read = http.connect().read
    assert read({"client_id": "acme", "redis": None}).redis_url is None
    assert read({"client_id": "acme", "redis": {"url": "redis://r", "channel": "x"}}) == http.Roads(
        client_id="acme", redis_url="redis://r"
    )
