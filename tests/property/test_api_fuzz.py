"""Whatever bytes or JSON arrive, there is no 500, and a refusal leaves Redis as it was."""

from __future__ import annotations

import json
from typing import Any

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyspace import keyspace

from api.app import create_app
from api.schema import Submission
from api.settings import ApiSettings
from contract.job import Job

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
PLAUSIBLE = SCALARS | st.sampled_from(["https://e.x/v", "en", "high", "j1", 1, 0.5, {"a": 1}, {"duration_s": 0}])
FIELDS = st.sampled_from([*Submission.model_fields, "duration", "more"])
BODIES = (
    st.binary(max_size=200)
    | ANY_JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(FIELDS, PLAUSIBLE | ANY_JSON, max_size=6).map(lambda value: json.dumps(value).encode())
    | st.dictionaries(FIELDS, PLAUSIBLE).map(
        lambda value: json.dumps(value | {"video_url": "https://e.x/v", "duration": 1}).encode()
    )
)

CONNECTION = fakeredis.FakeRedis(version=(7,))
WEB = create_app(ApiSettings(), CONNECTION).test_client()
PLAYING = create_app(ApiSettings(sim_outages=True), CONNECTION).test_client()
TURNS = st.sampled_from(["freeze", "advance_s", "speed", "kind", "for_s", "share", "latency", "more"])
NUMBERS = st.floats(0, 1e5) | st.sampled_from(["slow", "dropped", "fixed:1", 1e12])


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(["/jobs", "/start-timer"]), body=BODIES, key=st.none() | st.text(max_size=5))
def test_no_body_is_answered_with_a_500_and_a_refusal_leaves_nothing(path: str, body: bytes, key: str | None) -> None:
    CONNECTION.flushall()
    headers = {"Content-Type": "application/json"}
    if key is not None and key.isprintable():
        headers["Idempotency-Key"] = key.encode().decode("latin-1")
    answer = WEB.post(path, data=body, headers=headers)
    assert answer.status_code in {200, 202, 400, 422}, answer.data
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        assert keyspace(CONNECTION) == {}
    elif path == "/jobs":
        job = answer.get_json()
        assert Job.from_wire(job).to_wire() == job
        assert WEB.get(f"/jobs/{job['job_id']}").get_json() == job
        assert WEB.post(path, data=body, headers=headers | {"Idempotency-Key": "k"}).status_code in {200, 202}


@settings(max_examples=200, deadline=None)
@given(
    path=st.sampled_from(["/simulator/clock", "/simulator/outage"]),
    body=st.binary(max_size=50)
    | st.dictionaries(TURNS, SCALARS | NUMBERS).map(lambda value: json.dumps(value).encode()),
)
def test_no_wish_of_the_simulator_is_answered_with_a_500_and_a_refusal_leaves_nothing(path: str, body: bytes) -> None:
    CONNECTION.flushall()
    answer = PLAYING.post(path, data=body, content_type="application/json")
    assert answer.status_code in {200, 400, 422}, answer.data
    if answer.status_code >= 400:
        assert keyspace(CONNECTION) == {}
    else:
        assert PLAYING.get(path).get_json().keys() == answer.get_json().keys()


@settings(max_examples=100, deadline=None)
@given(
    items=st.lists(
        ANY_JSON | st.dictionaries(FIELDS, PLAUSIBLE).map(lambda value: value | {"video_url": "https://e.x/v"})
    )
)
def test_whatever_a_batch_holds_each_item_has_its_result(items: list[Any]) -> None:
    CONNECTION.flushall()
    results = WEB.post("/jobs/batch", data=json.dumps({"jobs": items}), content_type="application/json")
    if results.status_code == 400:  # one of them has a number that is none, or half a character
        assert keyspace(CONNECTION) == {}
        return
    found = results.get_json()["results"]
    assert len(found) == len(items)
    assert {each["status"] for each in found} <= {200, 202, 409, 422}
    assert sum(each["status"] == 202 for each in found) == CONNECTION.llen("rq:queue:default")


@settings(max_examples=100, deadline=None)
@given(after=st.text() | st.from_regex(r"[0-9]*-?[0-9]*"), limit=st.none() | st.text() | st.integers().map(str))
def test_no_place_in_the_feed_is_answered_with_a_500(after: str, limit: str | None) -> None:
    query = {"after": after} | ({"limit": limit} if limit is not None else {})
    assert WEB.get("/events", query_string=query).status_code in {200, 422}


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(["Prefer", "Last-Event-ID", "If-None-Match"]), text=st.text(st.characters(max_codepoint=255))
)
def test_no_header_of_a_reader_is_answered_with_a_500(name: str, text: str) -> None:
    WEB.post("/jobs", json={"video_url": "https://e.x/v", "job_id": "ended"})
    WEB.post("/jobs/ended/cancel")
    if "\r" in text or "\n" in text:
        return
    for path in ("/jobs/ended", "/jobs/ended/events", "/events"):
        answer = WEB.get(path, headers={name: text})
        answer.close()
        assert answer.status_code < 500


@pytest.mark.parametrize("path", ["/jobs", "/status", "/jobs/{}", "/jobs/{}/cancel", "/jobs/{}/events"])
@settings(max_examples=60, deadline=None)
@given(text=st.text(), query=st.dictionaries(st.sampled_from(["ids", "state", "limit", "cursor", "job_id"]), st.text()))
def test_no_address_is_answered_with_a_500(path: str, text: str, query: dict[str, Any]) -> None:
    for method in ("GET", "POST"):
        answer = WEB.open(path.format(text.replace("?", "").replace("#", "")), method=method, query_string=query)
        assert answer.status_code < 500, answer.data
