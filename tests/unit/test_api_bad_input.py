"""Whatever is sent, the answer is a problem document, never a 500, and Redis holds what it held before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis
from pydantic import ValidationError

from api.problems import MAX_ERRORS
from api.schema import Submission

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

URL = "https://example.com/v.mp4"
JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.usefixtures("nothing_changes")


def refused(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = json.loads(answer.data)
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem.keys() >= {"type", "title", "detail", "retryable"}
    return problem


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"nonsense", b"{", b"[]", b"null", b"3", b'"text"', b"{}{}", b"\xff\xfe{}", b"\xef\xbb\xbf{}",
        b'{"video_url": "\xed\xa0\x80"}', rb'{"video_url": "\ud800"}', rb'{"\udfff": 1}',
        b'{"video_url": "https://a.b", "video_url": "https://c.d"}', b'{"metadata": {"a": 1, "a": 2}}',
        b'{"video_duration_s": NaN}', b'{"video_duration_s": Infinity}', b'{"video_duration_s": -Infinity}',
        b'{"video_duration_s": ' + b"9" * 5000 + b"}", b"[" * 500_000, b'{"a":' * 100_000, b"{'a': 1}",
        '{"video_url": "https://a.b"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_a_400(web: FlaskClient, body: bytes) -> None:
    refused(web.post("/jobs", data=body, headers=JSON), 400, "not_json")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
     {"Content-Type": "application/jsonx"}, JSON | {"Content-Encoding": "gzip"}],
)  # fmt: skip
def test_what_is_not_declared_as_json_is_a_415(web: FlaskClient, headers: dict[str, str]) -> None:
    refused(web.post("/jobs", data=json.dumps({"video_url": URL}), headers=headers), 415, "unsupported_media_type")


def test_a_body_of_ten_megabytes_is_a_413(web: FlaskClient) -> None:
    body = json.dumps({"video_url": URL, "title": "a" * 10_000_000})
    refused(web.post("/jobs", data=body, headers=JSON), 413, "body_too_large")


WRONG: dict[str, tuple[Any, ...]] = {
    "/video_url": (
        None, "", 3, True, [], {}, "talk.mp4", "ftp://a.b/c", "file:///etc/passwd", "javascript:alert(1)",
        "https://", "https:///v", "https://a b/", " https://a.b", "https://a.b\n", "https://a.b/\0",
        "https://[::1", "https://a.b:x/", "https://a.b:99999/", "https://a.b/<x>", "https://a.b/\u00a0",
        "https://a.b/" + "c" * 2048, "https://simulate.test/unheard-of", "https://simulate.test/slow?more=1",
        "https://simulate.test/stall?stage=nap", "https://simulate.test/slow?duration_s=-1",
        "https://simulate.test/slow?duration_s=1e999", "https://simulate.test/slow?duration_s=NaN",
        "https://simulate.test/?duration_s=", "https://simulate.test/slow?stage=voice&stage=fetch",
    ),
    "/callback_url": (
        "", "here", "ftp://a.b", 1, "http://127.0.0.1/", "http://localhost:8000/", "http://2130706433/", "http://[::1]/",
        "http://0x7f.1/", "http://10.0.0.1/", "http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http://0/",
        "http://a@b.c/", "http://a:b@b.c/", "http://b.c@127.0.0.1/", "http://exa*mple.com/",
    ),
    "/title": ("t" * 201, 1, "a\0", "a\x1b[2J", "a\nb"),
    "/source_language": ("", "e", "en_US", "en-", "-en", "e" * 36, 1, "en\n"),
    "/target_language": ("", "es:1", "es-" + "a" * 9),
    "/video_duration_s": (0, 5e-324, 1e-308, 0.0009, -1, -0.5, 86_401, True, "5", [], 10**400),
    "/priority": ("urgent", "HIGH", "", None, 1),
    "/metadata": ([], "a", None, {"a": "b" * 2048}, {"a\0": 1}, {"é" * 1025: 1}),
    "/metadata/a": tuple({"a": each} for each in ({}, [1], "\0", 2**53, 1e17, -(10**400))),
    "/metadata/a~1b~0c": ({"a/b~c": []},),
    "/job_id": ("", "a" * 65, "a:b", "a b", "a/b", "é", "a\n", 7),
    "/max_attempts": (0, 11, -1, 1.5, 11.0, True, "3", None),
    "/simulate": ([], "error", 1),
    "/simulate/duration_s": tuple({"duration_s": each} for each in (-1, -0.001, 86_401, True, "3")),
    "/simulate/outcome": tuple({"outcome": each} for each in ("cancelled", "", 1)),
    "/simulate/fail_attempts": tuple({"fail_attempts": each} for each in (-1, 11, 1.5, True)),
    "/simulate/error_code": tuple({"error_code": each} for each in ("", "No", "a" * 65, "a-b", 1, "a\n")),
    "/simulate/scenario": tuple({"scenario": each} for each in ("", "Slow", "unheard-of", 1)),
    "/simulate/stage": tuple({"stage": each} for each in ("", "nap", 1)),
    "/simulate/slow_factor": tuple({"slow_factor": each} for each in (0.5, -1, 1001, "2")),
    "/simulate/progress": tuple({"progress": each} for each in ("backwards", 1)),
    "/simulate/output_late_s": tuple({"output_late_s": each} for each in (-1, 3601, "5")),
    "/simulate/more": ({"more": 1},),
    "/engine": ("", "acme", "worker.simulator:Simulator", 1),
    "/client_id": ("default",),
    "/state": ("completed",),
    "/Video_url": (URL,),
    "/__class__": (1,),
}  # fmt: skip


@pytest.mark.parametrize("pointer", WRONG)
def test_each_wrong_field_is_a_422_that_points_at_it(web: FlaskClient, pointer: str) -> None:
    for value in WRONG[pointer]:
        body = {"video_url": URL, pointer.split("/")[1]: value}
        problem = refused(web.post("/jobs", json=body), 422, "invalid_fields")
        assert [each["pointer"] for each in problem["errors"]] == [pointer], value


def test_every_wrong_field_is_named_at_once(web: FlaskClient) -> None:
    problem = refused(web.post("/jobs", json={"title": 1, "priority": 2, "more": 3}), 422, "invalid_fields")
    assert {each["pointer"] for each in problem["errors"]} == {"/video_url", "/title", "/priority", "/more"}


def test_a_flood_of_wrong_fields_gets_a_short_answer(web: FlaskClient) -> None:
    body = {f"{n}-{'a' * 1000}": n for n in range(900)}
    answer = web.post("/jobs", json=body)
    assert len(refused(answer, 422, "invalid_fields")["errors"]) == 50
    assert len(answer.data) < 50_000


@pytest.mark.parametrize("flood", [{}, {"simulate": {}}, {"metadata": {}}])
def test_a_flood_is_cut_off_before_each_of_it_is_looked_at(flood: dict[str, Any]) -> None:
    names: dict[str, Any] = {str(n): [] for n in range(2000)}
    body = dict.fromkeys(flood, names) or names
    with pytest.raises(ValidationError) as refusal:
        Submission.model_validate({"video_url": URL} | body)
    assert refusal.value.error_count() <= MAX_ERRORS


def test_what_is_known_is_judged_behind_a_flood_of_what_is_not(web: FlaskClient) -> None:
    body = {str(n): n for n in range(900)} | {"title": 1}
    pointers = [each["pointer"] for each in refused(web.post("/jobs", json=body), 422, "invalid_fields")["errors"]]
    assert pointers[:3] == ["/video_url", "/title", "/0"]


@pytest.mark.parametrize("key", ["", "a b", "é", "a" * 256])
def test_an_idempotency_key_is_short_visible_ascii(web: FlaskClient, key: str) -> None:
    answer = web.post("/jobs", json={"video_url": URL}, headers={"Idempotency-Key": key})
    assert refused(answer, 422, "invalid_fields")["errors"][0]["pointer"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("parameter", "queries"),
    [
        ("limit", [f"limit={each}" for each in ("0", "-1", "1001", "x", "", "1.5", "٣", "9" * 5000)]),
        ("state", [f"state={each}" for each in ("", "pending", "Queued")]),
        ("cursor", [f"cursor={each}" for each in ("x", "1.a:b", "-1.a", "9" * 99 + ".a")]),
        ("ids", [f"ids={each}" for each in ("", ",", "a,,b", "a:b", "a" * 65)]),
        ("ids", ["ids=" + ",".join(f"j{n}" for n in range(10_000))]),
        ("limits", ["limits=5"]),
        ("limit", ["ids=a&limit=5", "limit=1&limit=2"]),
        ("ids", ["ids=a&ids=b"]),
    ],
)
def test_each_wrong_parameter_is_a_422_that_names_it(web: FlaskClient, parameter: str, queries: list[str]) -> None:
    for query in queries:
        problem = refused(web.get(f"/jobs?{query}"), 422, "invalid_fields")
        assert problem["errors"][0]["pointer"] == parameter, query


@pytest.mark.parametrize("job_id", ["nobody", "a" * 65, "a:b", "*", "%00", "%ff", "..%5c", "é"])
def test_an_unknown_or_impossible_id_is_a_404(web: FlaskClient, job_id: str) -> None:
    refused(web.get(f"/jobs/{job_id}"), 404, "job_not_found")
    refused(web.get(f"/status?job_id={job_id}"), 404, "job_not_found")
    refused(web.post(f"/jobs/{job_id}/cancel"), 404, "job_not_found")
    refused(web.post(f"/jobs/{job_id}/reset"), 404, "job_not_found")


def test_an_unknown_address_is_a_404(web: FlaskClient) -> None:
    for path in ("/nothing", "/jobs/", "/jobs//a", "/jobs/a/b", "/jobs/a/cancel/", "/%00", "/%ff"):
        refused(web.get(path), 404, "not_found")


def test_a_wrong_method_is_a_405_that_says_which_are_right(web: FlaskClient) -> None:
    answer = web.delete("/jobs")
    refused(answer, 405, "method_not_allowed")
    assert {"GET", "POST"} <= {each.strip() for each in answer.headers["Allow"].split(",")}
    refused(web.get("/jobs/a/cancel"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("message", "bodies"),
    [
        ("No duration provided", [b"", b"  ", b"{}", b'{"duration": null}', b'{"seconds": 3}']),
        (
            "Invalid duration value",
            [
                *(b'{"duration": -1}', b'{"duration": -0.1}', b'{"duration": 86401}', b'{"duration": 1e400}'),
                *(b'{"duration": NaN}', b'{"duration": Infinity}', b'{"duration": true}', b'{"duration": "10"}'),
                *(b'{"duration": ""}', b'{"duration": []}', b'{"duration": {}}'),
                *(b'{"duration": %s}' % (b"9" * 400), b'{"duration": %s}' % (b"9" * 5000)),
                *(b"nonsense", b"[10]", b"10"),
            ],
        ),
    ],
)
def test_a_timer_without_a_good_duration_is_a_400_that_says_it_as_it_always_did(
    web: FlaskClient, message: str, bodies: list[bytes]
) -> None:
    for body in bodies:
        answer = web.post("/start-timer", data=body, headers=JSON)
        problem = json.loads(answer.data)
        assert (answer.status_code, problem["status"], problem["error"]) == (400, 400, message), body
        assert problem["code"] in {"bad_request", "not_json"}


def test_a_timer_takes_a_duration_and_nothing_else(web: FlaskClient) -> None:
    refused(web.post("/start-timer", json={"duration": 1, "more": 2}), 422, "invalid_fields")
    refused(web.post("/start-timer", data="duration=10"), 415, "unsupported_media_type")


def test_a_refused_reset_or_cancel_leaves_the_job_alone(web: FlaskClient, nothing_changes: Callable[[], None]) -> None:
    web.post("/jobs", json={"video_url": URL, "job_id": "j1"})
    nothing_changes()
    refused(web.post("/jobs/j1/reset"), 409, "illegal_transition")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(redis.ConnectionError, "cannot be reached"), (redis.exceptions.OutOfMemoryError, "refuses to work")],
)
def test_the_caller_is_told_whether_redis_is_away_or_unwilling(
    web: FlaskClient, monkeypatch: pytest.MonkeyPatch, error: type[Exception], reason: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error("as told")

    monkeypatch.setattr("store.jobs.fetch_one", fails)
    answer = web.get("/jobs/j1")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert reason in answer.get_json()["detail"]
