"""Whatever is changed of a webhook on its way, be it one bit, it is not believed."""

from __future__ import annotations

import base64

import pytest
from given import START, Clock
from hooks import OTHER_SECRET, SECRET, body_of, ended, event_of
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from client import WebhookEvent, WebhookPayloadError, WebhookVerificationError
from client.webhooks import sign, verify

BODY = body_of(event_of(ended()))
HEADERS = sign(BODY, SECRET, webhook_id="msg_1", timestamp=START)


def flipped(raw: bytes, bit: int) -> bytes:
    place, mask = divmod(bit % (8 * len(raw)), 8)
    return raw[:place] + bytes([raw[place] ^ 1 << mask]) + raw[place + 1 :]


@pytest.mark.parametrize("name", HEADERS)
def test_no_bit_of_a_header_can_be_flipped(name: str) -> None:
    value = HEADERS[name].encode()
    for bit in range(8 * len(value)):
        headers = HEADERS | {name: flipped(value, bit).decode("latin-1")}
        with pytest.raises(WebhookVerificationError):
            verify(headers, BODY, SECRET, now=Clock())


@given(bit=st.integers(0, 8 * len(BODY) - 1))
def test_no_bit_of_a_body_can_be_flipped(bit: int) -> None:
    with pytest.raises(WebhookVerificationError):
        verify(HEADERS, flipped(BODY, bit), SECRET, now=Clock())


@given(secrets=st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=3), right=st.integers(0, 2))
def test_only_the_holder_of_a_secret_is_believed(secrets: list[bytes], right: int) -> None:
    texts = ["whsec_" + base64.b64encode(secret).decode() for secret in secrets]
    headers = sign(BODY, texts[right % len(texts)], webhook_id="msg_1", timestamp=START)
    assert isinstance(verify(headers, BODY, texts, now=Clock()), WebhookEvent)
    with pytest.raises(WebhookVerificationError):
        verify(headers, BODY, OTHER_SECRET, now=Clock())


@given(
    names=st.dictionaries(st.sampled_from([*HEADERS]), st.text(max_size=80)),
    body=st.binary(max_size=80) | st.just(BODY),
)
def test_nothing_that_comes_makes_it_fail_in_another_way(names: dict[str, str], body: bytes) -> None:
    try:
        verify(HEADERS | names, body, SECRET, now=Clock())
    except (WebhookVerificationError, WebhookPayloadError):
        return
    assert body == BODY


@given(body=st.text().map(str.encode), webhook_id=st.from_regex(r"\A[\x21-\x7e]{1,256}\Z"))
def test_whatever_is_signed_is_what_the_standard_s_library_signs(body: bytes, webhook_id: str) -> None:
    headers = sign(body, SECRET, webhook_id=webhook_id, timestamp=START)
    assert headers["webhook-signature"] == Webhook(SECRET).sign(webhook_id, START, body.decode())
    with pytest.raises(WebhookPayloadError):  # it is past the signature
        verify(headers, body, SECRET, now=Clock())
