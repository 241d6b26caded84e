"""What an answer of the service means, as pure values. No I/O, no clock."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from contract.errors import (
    AuthenticationError,
    DubqError,
    ForbiddenError,
    JobNotFoundError,
    RequestError,
    ServiceUnavailableError,
)
from contract.job import Job
from contract.revival import revive

from .http import Answer, Request, Roads
from .pulse import DOUBTED_AFTER
from .steps import Line

T = TypeVar("T")

EVENTS: Final = "text/event-stream"

LONGEST_RETRY_AFTER_S: Final = 86_400.0

PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that speak of this moment only; all from 500 on do."""

_WAIT: Final = re.compile(r"\bwait=([0-9]{1,9})\b")
_PING: Final = re.compile(r"\bping=([0-9]{1,3})\b")

_FOREIGN: Final = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What reading raises where something is no word of dubq's; the last one is JSON that is nested very deep."""


def retry_after_s(header: str, now: datetime) -> float:
    """Seconds the server asks us to wait, from 0 to a day.

    `header` is whole seconds ("120") or an HTTP date; `now` is aware.
    Raises ValueError if it is neither. Source: RFC 9110, section 10.2.3.
    """
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_RETRY_AFTER_S)
    moment = parsedate_to_datetime(text)
    if moment.tzinfo is None:  # "-0000": UTC from a place unknown
        moment = moment.replace(tzinfo=UTC)
    # Clocks differ: a date already past means "now", not an error.
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_RETRY_AFTER_S)


def classify(request: Request[T], status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer[T]:
    """Say what an answer to `request` means. `headers` has to find names in any case; `now` is aware."""
    pause_s = _retry_after_or_zero(headers.get("Retry-After"), now)
    hold_s = _hold_s(headers.get("Preference-Applied", ""))
    if status == HTTPStatus.NOT_MODIFIED:
        return Answer(retry_after_s=pause_s, hold_s=hold_s)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Answer(error=_moved(request, status, headers.get("Location")))
    if status >= HTTPStatus.BAD_REQUEST:
        is_passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING
        error = _refusal(request, status, _problem(body))
        return Answer(error=error, is_passing=is_passing, retry_after_s=pause_s)
    try:
        return Answer(value=request.read(json.loads(body)), retry_after_s=pause_s, hold_s=hold_s)
    except _FOREIGN as error:
        # a proxy's page, or half an answer: no word of the service
        text = f"{request.method} {request.path} was answered {status} with something that dubq does not send: {error}"
        return Answer(
            error=ServiceUnavailableError(text, job_id=request.job_id), is_passing=True, retry_after_s=pause_s
        )


def submitted(result: Any, request: Request[Job]) -> Job | DubqError:
    """Read what has become of one submission of many, which `request` would have sent alone.

    Raises KeyError, TypeError or ValueError for what is no word of the service about it.
    """
    if "job" not in result:
        return _refusal(request, int(result["status"]), result["problem"])
    job = request.read(result["job"])
    if job.job_id != request.job_id:
        raise ValueError(f"it is about {job.job_id} where {request.job_id} was to be")
    return job


def stream(
    request: Request[None], status: int, headers: Mapping[str, str], body: bytes, now: datetime
) -> tuple[Answer[Any], Line]:
    """Say what the head of an answer means to whoever asked for a stream; `body` is only that of a refusal."""
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if status == HTTPStatus.OK and media_type == EVENTS:
        return Answer(), Line.UP
    if status < HTTPStatus.BAD_REQUEST:
        return Answer(), Line.DOWN if status == HTTPStatus.NO_CONTENT else Line.NONE
    refused = classify(request, status, headers, body, now)
    if refused.is_passing or isinstance(refused.error, (AuthenticationError, ForbiddenError, JobNotFoundError)):
        return refused, Line.DOWN
    return Answer(), Line.NONE


def unreachable(request: Request[T], url: str, reason: str, *, is_silent: bool = False) -> Answer[T]:
    """Say what it means that no answer came."""
    error = ServiceUnavailableError(f"{url} cannot be reached just now: {reason}", job_id=request.job_id)
    return Answer(error=error, is_passing=True, is_away=True, is_silent=is_silent)


def quiet_s(headers: Mapping[str, str], otherwise_s: float) -> float:
    """Return for how long an answer that has begun may say nothing: twice as long as it promises, if it does."""
    found = _PING.search(headers.get("Preference-Applied", ""))
    return DOUBTED_AFTER * float(found[1]) if found else otherwise_s


def document(payload: bytes) -> dict[str, Any]:
    """Read a published document; an empty one where it is none."""
    try:
        found = json.loads(payload)
    except _FOREIGN:
        return {}
    return found if isinstance(found, dict) else {}


def job_of(document: Mapping[str, Any]) -> Job | None:
    """Return a document's job; None where it is none that this version understands: the next look will tell."""
    try:
        return Job.from_wire(document)
    except _FOREIGN:
        return None


def roads(answer: Answer[Roads]) -> Answer[Roads]:
    """Say what an answer to `connect` means for a wait: who may not ask, or asks in vain, does without Redis.

    Only what passes stays an error, and a token that is none: nothing else would go better.
    """
    error = answer.error
    if error is None or answer.is_passing or isinstance(error, AuthenticationError):
        return answer
    # a service that has never heard of roads has never heard of tenants either; of any other we know nothing
    is_certain = error.status == HTTPStatus.NOT_FOUND
    return Answer(value=Roads(client_id="default", redis_url=None, is_certain=is_certain))


def _moved(request: Request[Any], status: int, location: str | None) -> DubqError:
    if location is None:
        return RequestError(f"{request.method} {request.path} was answered {status}", job_id=request.job_id)
    where = location.partition("?")[0].removesuffix(request.path) or location
    return RequestError(f"the service has moved to {where}: use that address", job_id=request.job_id)


def _refusal(request: Request[Any], status: int, problem: Mapping[str, Any]) -> DubqError:
    try:  # a proxy may have put its own status before the problem's
        return revive({**problem, "status": status}, job_id=request.job_id, job=None)
    except (KeyError, TypeError, ValueError):
        return revive({"status": status}, job_id=request.job_id, job=None)


def _problem(body: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(body)
    except _FOREIGN:
        return {}
    return problem if isinstance(problem, dict) else {}


def _hold_s(applied: str) -> float:
    """Seconds for which the service says it holds an answer; 0.0: it does not. Source: RFC 7240, section 3."""
    found = _WAIT.search(applied)
    return float(found[1]) if found else 0.0


def _retry_after_or_zero(header: str | None, now: datetime) -> float:
    if header is None:
        return 0.0
    try:
        return retry_after_s(header, now)
    except (ValueError, OverflowError):
        return 0.0  # unreadable advice is none
