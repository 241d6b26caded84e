"""Webhooks as their receiver sees them: does the service say this, is it fresh, and what does it say. No I/O.

Source: Standard Webhooks 1.0. Its library makes the signatures; how they are looked at is ours (decision 15).
"""

import base64
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias

from contract.errors import DubqError
from contract.job import Job, to_rfc3339

from .desk import now_utc
from .patience import check_seconds

try:
    from standardwebhooks import Webhook
except ModuleNotFoundError as error:
    if error.name != "standardwebhooks":
        raise
    raise ModuleNotFoundError(
        "client.webhooks needs the package standardwebhooks: pip install 'dubq[webhooks]'", name="standardwebhooks"
    ) from error

Secret: TypeAlias = str | Iterable[str]
"""`whsec_…`, or several of them while one takes over from another."""

TOLERANCE_S: Final = 300.0
"""How old a webhook may be, and how far in the future; the standard's."""

PREFIX: Final = "whsec_"
ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

# one way to write each: what may be changed without the signature noticing is not trusted
_ID: Final = re.compile(r"[\x21-\x7e]{1,256}")
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,10}")


class Headers(Protocol):
    """Any mapping of headers, in any case, that of any framework too, and a WSGI environ."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return names and values."""


class WebhookVerificationError(DubqError):
    """This is no webhook of the service's, or not a fresh one: do nothing of what it says.

    The text may go to the sender, whoever that is. What is wrong is in `reason`, and in the traceback.
    """

    code = "webhook_unverified"
    title = "The webhook cannot be verified"
    status = 401

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason
        self.add_note(reason)


class WebhookPayloadError(DubqError):
    """The service has sent this, and it is no event of a job that this version of dubq can read."""

    code = "webhook_payload"
    title = "The webhook cannot be read"
    status = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """What a webhook tells: that a job has ended, and the whole job.

    Every delivery of the same event has the same `webhook_id`. `type` is translation.completed, .error or .cancelled,
    later perhaps others; `timestamp`, an aware time, is when it came to pass.
    """

    webhook_id: str
    type: str
    timestamp: datetime
    job: Job

    def to_wire(self) -> dict[str, Any]:
        """Return the body as JSON types; the id is not part of it."""
        return {"type": self.type, "timestamp": to_rfc3339(self.timestamp), "data": self.job.to_wire()}


def verify(
    headers: Headers,
    body: bytes,
    secret: Secret,
    *,
    tolerance: float = TOLERANCE_S,
    now: Callable[[], datetime] = now_utc,
) -> WebhookEvent:
    """Return the event that a request tells of, if the holder of `secret`, or of one of several, has sent it just now.

    `body` is the request's body as it came: JSON that was parsed and written again has other bytes. `tolerance` is in
    seconds. The same event may come more than once: tell by its `webhook_id`.
    Raises WebhookVerificationError, WebhookPayloadError; ValueError or TypeError for a secret that is none.
    """
    check_seconds("tolerance", tolerance)
    keys = keys_of(secret)
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"verify needs the body as the bytes that came, not {type(body).__name__}")
    found = _signed_headers(headers)
    sent_at = _sent_at(found[TIMESTAMP], tolerance, now())
    webhook_id, text = found[ID], _text(bytes(body))
    if not _ID.fullmatch(webhook_id):
        raise WebhookVerificationError(f"{ID} is not 1 to 256 visible ASCII characters")
    given = [each.encode("utf-8", "replace") for each in found[SIGNATURE].split(" ")]
    good = [key.sign(webhook_id, sent_at, text).encode() for key in keys]
    if not any(hmac.compare_digest(one, other) for one in good for other in given):
        raise WebhookVerificationError(
            "no v1 signature is of this id, time and body by this secret: is it the secret of this client, and is the "
            "body as it came?"
        )
    return _event(webhook_id, text)


def sign(body: bytes, secret: Secret, *, webhook_id: str, timestamp: datetime) -> dict[str, str]:
    """Return the headers that make `body` a webhook sent at `timestamp`, an aware time: to try a receiver with.

    With several secrets there are as many signatures. Raises ValueError or TypeError for a secret that is none.
    """
    at = _aware(timestamp).astimezone(UTC)  # the library takes the hands of the clock for UTC, whatever the zone
    signatures = [key.sign(webhook_id, at, body.decode()) for key in keys_of(secret)]
    return {ID: webhook_id, TIMESTAMP: str(int(at.timestamp())), SIGNATURE: " ".join(signatures)}


def keys_of(secret: Secret) -> tuple[Webhook, ...]:
    """Return what signs with each secret. Raises ValueError or TypeError for one that is none, without showing it."""
    if not secret:
        raise ValueError("there is no webhook secret")
    keys = tuple(map(_key, (secret,) if isinstance(secret, str) else secret))
    if not keys:
        raise ValueError("there is no webhook secret")
    return keys


def _key(secret: str) -> Webhook:
    if not isinstance(secret, str):
        raise TypeError(f"a webhook secret is a str, not {type(secret).__name__}")
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"a webhook secret has to be {PREFIX} and base64")
    return Webhook(key)


def _signed_headers(headers: Headers) -> Mapping[str, str]:
    """Return the three headers by their names. Raises WebhookVerificationError if one is missing."""
    by_name = {name.lower().replace("_", "-").removeprefix("http-"): value for name, value in headers.items()}
    if missing := [name for name in (ID, TIMESTAMP, SIGNATURE) if not by_name.get(name)]:
        raise WebhookVerificationError(f"the request has no {' and no '.join(missing)}")
    return {name: str(by_name[name]) for name in (ID, TIMESTAMP, SIGNATURE)}


def _sent_at(text: str, tolerance_s: float, now: datetime) -> datetime:
    """Return when the webhook was sent. Raises WebhookVerificationError if that is not about now."""
    if not _SECONDS.fullmatch(text):
        raise WebhookVerificationError(f"{TIMESTAMP} is not whole seconds since 1970")
    sent_at = datetime.fromtimestamp(int(text), UTC)
    age_s = (now - sent_at).total_seconds()
    if age_s > tolerance_s:
        raise WebhookVerificationError(f"it was sent {age_s:.0f} s ago, and may be {tolerance_s:g} s old at most")
    if age_s < -tolerance_s:
        raise WebhookVerificationError(f"it was sent {-age_s:.0f} s from now: one of the two clocks is wrong")
    return sent_at


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise WebhookVerificationError("the body is not UTF-8") from None


def _event(webhook_id: str, text: str) -> WebhookEvent:
    try:
        raw = json.loads(text)
        return WebhookEvent(
            webhook_id=webhook_id,
            type=str(raw["type"]),
            timestamp=_aware(datetime.fromisoformat(raw["timestamp"])),
            job=Job.from_wire(raw["data"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WebhookPayloadError(f"this is no event of a job: {error!r}") from error


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"the timestamp {moment.isoformat()} has no offset from UTC")
    return moment
