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


@pytest.mark.parametrize("path", ["/jobs", "/status", "/jobs/{}", "/jobs/{}/cancel"])
@settings(max_examples=60, deadline=None)
@given(text=st.text(), query=st.dictionaries(st.sampled_from(["ids", "state", "limit", "cursor", "job_id"]), st.text()))
def test_no_address_is_answered_with_a_500(path: str, text: str, query: dict[str, Any]) -> None:
    for method in ("GET", "POST"):
        answer = WEB.open(path.format(text.replace("?", "").replace("#", "")), method=method, query_string=query)
        assert answer.status_code < 500, answer.data
