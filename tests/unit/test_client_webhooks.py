"""Who is believed that a job has ended."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from given import START, Clock
from hooks import OTHER_SECRET, SECRET, body_of, ended, event_of
from standardwebhooks import Webhook
from werkzeug.datastructures import Headers

import client
from client import WebhookPayloadError, WebhookVerificationError
from client.webhooks import sign, verify

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT = event_of(ended())
BODY = body_of(EVENT)
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


def signed(
    secret: str | list[str] = SECRET, body: bytes = BODY, *, at: datetime = START, **changed: str
) -> dict[str, str]:
    headers = sign(body, secret, webhook_id="msg_1", timestamp=at)
    return headers | {f"webhook-{name}": value for name, value in changed.items()}


def reason(headers: Any, body: bytes = BODY, secret: str | list[str] = SECRET) -> str:
    with pytest.raises(WebhookVerificationError) as caught:
        verify(headers, body, secret, now=Clock())
    return caught.value.reason


def test_a_signed_body_is_an_event_with_its_job() -> None:
    assert verify(signed(), BODY, SECRET, now=Clock()) == EVENT


def test_the_contract_s_spelling_works() -> None:
    headers = signed(at=datetime.now(UTC))
    assert client.webhooks.verify(headers, BODY, SECRET).job.job_id == "j1"


def test_the_standard_s_library_believes_what_sign_signs() -> None:
    headers = signed(at=datetime.now(UTC))
    assert Webhook(SECRET).verify(BODY, headers) == json.loads(BODY)


def test_the_signature_is_the_one_that_the_standard_describes() -> None:
    # written out from the standard: HMAC-SHA256 over "id.timestamp.body", by the secret's decoded bytes
    content = b"msg_1.%d.%b" % (START.timestamp(), BODY)
    digest = hmac.new(bytes(range(32)), content, hashlib.sha256).digest()
    assert signed()["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_a_time_in_another_zone_is_signed_as_the_same_moment() -> None:
    elsewhere = START.astimezone(timezone(timedelta(hours=7)))
    assert signed(at=elsewhere) == signed()


def test_a_secret_without_prefix_or_padding_is_the_same_secret() -> None:
    plain = SECRET.removeprefix("whsec_").rstrip("=")
    assert verify(signed(), BODY, plain, now=Clock()) == EVENT


@pytest.mark.parametrize(
    "spelling",
    [str.upper, str.title, lambda name: "HTTP_" + name.upper().replace("-", "_")],
    ids=["UP", "Title", "WSGI"],
)
def test_headers_are_read_in_any_case_and_from_a_wsgi_environ(spelling: Callable[[str], str]) -> None:
    headers = {spelling(name): value for name, value in signed().items()} | {"wsgi.version": (1, 0)}
    assert verify(headers, BODY, SECRET, now=Clock()) == EVENT


def test_a_framework_s_headers_that_are_no_mapping_will_do() -> None:
    assert verify(Headers(signed()), BODY, SECRET, now=Clock()) == EVENT


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_empty", [True, False])
def test_each_header_has_to_be_there(name: str, *, is_empty: bool) -> None:
    headers = signed()
    del headers[name]
    assert reason(headers | ({name: ""} if is_empty else {})) == f"the request has no {name}"


@pytest.mark.parametrize("age_s", [300, -300, 0])
def test_a_webhook_is_fresh_up_to_the_tolerance(age_s: int) -> None:
    headers = signed(at=START - timedelta(seconds=age_s))
    assert verify(headers, BODY, SECRET, now=Clock()) == EVENT


def test_a_stale_webhook_is_refused() -> None:
    assert "sent 301 s ago" in reason(signed(at=START - timedelta(seconds=301)))


def test_a_webhook_from_the_future_is_refused() -> None:
    assert "sent 301 s from now" in reason(signed(at=START + timedelta(seconds=301)))


def test_the_tolerance_is_the_receiver_s_choice() -> None:
    headers = signed(at=START - timedelta(seconds=11))
    with pytest.raises(WebhookVerificationError):
        verify(headers, BODY, SECRET, tolerance=10, now=Clock())
    with pytest.raises(ValueError, match="tolerance"):
        verify(headers, BODY, SECRET, tolerance=float("inf"), now=Clock())


@pytest.mark.parametrize(
    "text", ["nan", "1e9", " 1767225600", "1767225600.0", "01767225600", "-1", "٣", "9" * 30, "soon"]
)
def test_a_time_is_written_in_one_way(text: str) -> None:
    assert "whole seconds" in reason(signed(timestamp=text))


@pytest.mark.parametrize("webhook_id", ["", "a b", "ä", "\udc80", "x" * 257])
def test_an_id_is_visible_ascii_and_not_endless(webhook_id: str) -> None:
    assert "webhook-id" in reason(signed(id=webhook_id))


def test_one_good_signature_among_several_suffices() -> None:
    good = signed()["webhook-signature"]
    headers = signed(signature=f"v1,AAAA v1a,{good[3:]} nonsense , {good} v2,x")
    assert verify(headers, BODY, SECRET, now=Clock()) == EVENT


@pytest.mark.parametrize("version", ["v1a", "v2", "V1", "v", ""])
def test_a_signature_of_another_version_counts_for_nothing(version: str) -> None:
    good = signed()["webhook-signature"]
    assert "no v1 signature" in reason(signed(signature=version + good[2:]))


@pytest.mark.parametrize("signature", ["v1", "v1,", "v1,AAAA", ",", "é", "\udc80", "v1,!!!!", " "])
def test_what_is_no_signature_is_refused_like_a_wrong_one(signature: str) -> None:
    assert "no v1 signature" in reason(signed(signature=signature))


def test_another_secret_is_refused() -> None:
    assert "is it the secret" in reason(signed(OTHER_SECRET))


def test_a_receiver_with_the_new_and_the_old_secret_believes_either() -> None:
    for sender in (SECRET, OTHER_SECRET):
        assert verify(signed(sender), BODY, [OTHER_SECRET, SECRET], now=Clock()) == EVENT


def test_a_sender_that_signs_by_the_new_and_the_old_secret_is_believed_with_either() -> None:
    for receiver in (SECRET, OTHER_SECRET):
        assert verify(signed([OTHER_SECRET, SECRET]), BODY, receiver, now=Clock()) == EVENT


def test_the_error_s_text_tells_a_sender_nothing_and_its_traceback_the_developer_everything() -> None:
    with pytest.raises(WebhookVerificationError) as caught:
        verify(signed(OTHER_SECRET), BODY, SECRET, now=Clock())
    assert str(caught.value) == "The webhook cannot be verified"
    assert (caught.value.code, caught.value.status) == ("webhook_unverified", 401)
    assert "is it the secret" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_ä", [], None, "whsec_A"])
def test_a_secret_that_is_none_is_the_developer_s_error(secret: Any) -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        verify(signed(), BODY, secret, now=Clock())
    assert "!!!" not in str(caught.value)


def test_a_secret_of_bytes_is_the_developer_s_error() -> None:
    with pytest.raises(TypeError, match="a webhook secret is a str, not bytes"):
        verify(signed(), BODY, [SECRET.encode()], now=Clock())  # type: ignore[list-item]


@pytest.mark.parametrize("body", [BODY.decode(), json.loads(BODY), None])
def test_a_body_that_is_not_the_bytes_that_came_is_the_developer_s_error(body: Any) -> None:
    with pytest.raises(TypeError, match="the bytes that came"):
        verify(signed(), body, SECRET, now=Clock())


def test_a_body_that_is_no_text_is_refused() -> None:
    assert reason(signed(), b"\xff") == "the body is not UTF-8"


WHOLE = EVENT.to_wire()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        json.dumps(WHOLE | {"data": {}}).encode(),
        json.dumps(WHOLE | {"data": 7}).encode(),
        json.dumps(WHOLE | {"data": WHOLE["data"] | {"state": 7}}).encode(),
        json.dumps(WHOLE | {"data": WHOLE["data"] | {"output": 7}}).encode(),
        json.dumps(WHOLE | {"timestamp": "2026-01-01T00:00:00"}).encode(),
        json.dumps({"type": "x", "data": WHOLE["data"]}).encode(),
    ],
)
def test_a_signed_body_that_is_no_event_is_said_to_be_that(body: bytes) -> None:
    with pytest.raises(WebhookPayloadError, match="no event of a job"):
        verify(signed(body=body), body, SECRET, now=Clock())


def test_a_type_and_fields_of_a_later_version_are_let_through() -> None:
    body = json.dumps(WHOLE | {"type": "translation.archived", "more": 1}).encode()
    event = verify(signed(body=body), body, SECRET, now=Clock())
    assert (event.type, event.job) == ("translation.archived", EVENT.job)


def test_a_signing_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        signed(at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
