"""The service's HTTP face as pure values: what to send, and what an answer means. No I/O, no clock."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from contract.errors import DubqError, JobNotFoundError, ServiceUnavailableError, revive
from contract.ids import is_job_id
from contract.job import Job

T = TypeVar("T")

LONGEST_RETRY_AFTER_S: Final = 86_400.0
MOST_IDS: Final = 1000  # the service reads no more at once
MOST_IDS_CHARS: Final = 3_800  # gunicorn's request line ends at 4094, and proxies have such limits too

PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that speak of this moment only; all from 500 on do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """One request, and how its answer is read. `job_id` is the job it is counted for."""

    method: str
    path: str
    read: Callable[[Any], T]  # from the JSON of a 2xx answer; KeyError, TypeError or ValueError where it is not that
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """What came of a request: a value, an error, or neither (nothing has changed).

    `is_passing` says that asking again later may well help. `retry_after_s` is how long the service asked us to wait.
    """

    value: T | None = None
    error: DubqError | None = None
    is_passing: bool = False
    retry_after_s: float = 0.0

    def result(self) -> T:
        """Return the value, or raise why there is none."""
        if self.value is None:
            raise self.error or ServiceUnavailableError("the service has said nothing")
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list of jobs; `next_cursor` is None on the last one."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roads:
    """How this caller can be told: `redis_url` is None where the service offers no pub/sub."""

    client_id: str
    redis_url: str | None


# What an answer means.


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
    if status == HTTPStatus.NOT_MODIFIED:
        return Answer(retry_after_s=pause_s)
    if status >= HTTPStatus.BAD_REQUEST:
        is_passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in PASSING
        error = _refusal(request, status, body)
        return Answer(error=error, is_passing=is_passing, retry_after_s=pause_s)
    try:
        return Answer(value=request.read(json.loads(body)), retry_after_s=pause_s)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # a proxy's page, or half an answer: no word of the service
        text = f"{request.method} {request.path} was answered {status} with something that dubq does not send: {error}"
        return Answer(
            error=ServiceUnavailableError(text, job_id=request.job_id), is_passing=True, retry_after_s=pause_s
        )


def unreachable(request: Request[T], url: str, reason: str) -> Answer[T]:
    """Say what it means that no answer came."""
    error = ServiceUnavailableError(f"{url} cannot be reached just now: {reason}", job_id=request.job_id)
    return Answer(error=error, is_passing=True)


def job_of_message(payload: bytes) -> Job | None:
    """Read a published job document; None where it is none."""
    try:
        return Job.from_wire(json.loads(payload))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


# What to send.


def submit(body: Mapping[str, Any], idempotency_key: str | None) -> Request[Job]:
    """Submit a job; fields of `body` that are None are left out."""
    return Request(
        method="POST",
        path="/jobs",
        read=Job.from_wire,
        headers={"Idempotency-Key": idempotency_key} if idempotency_key else {},
        body={name: value for name, value in body.items() if value is not None},
        job_id=body["job_id"],
    )


def read_job(job_id: str, known_seq: int | None = None) -> Request[Job]:
    """Read one job; nothing comes back where it still is as it was at `known_seq`."""
    headers = {} if known_seq is None else {"If-None-Match": f'"{known_seq}"'}
    return Request(method="GET", path=_path(job_id), read=Job.from_wire, headers=headers, job_id=job_id)


def read_single() -> Request[Job]:
    """Read the job of the single-job face, as a whole document. Source: RFC 7240 for `Prefer`."""
    return Request(method="GET", path="/status", read=Job.from_wire, headers={"Prefer": "return=representation"})


def read_many(job_ids: Iterable[str]) -> Request[tuple[Job, ...]]:
    """Read several jobs; those that do not exist are left out."""
    return Request(method="GET", path="/jobs", read=_read_jobs, params={"ids": ",".join(job_ids)})


def list_jobs(state: str | None, target_language: str | None, cursor: str | None) -> Request[Page]:
    """Read the page of the caller's jobs that begins at `cursor`, newest first."""
    params = {"state": state, "target_language": target_language, "cursor": cursor}
    return Request(method="GET", path="/jobs", read=_read_page, params={k: v for k, v in params.items() if v})


def cancel(job_id: str) -> Request[Job]:
    """Ask a job to stop."""
    return Request(method="POST", path=_path(job_id) + "/cancel", read=Job.from_wire, job_id=job_id)


def reset(job_id: str) -> Request[Job]:
    """Ask for a finished job to be run again."""
    return Request(method="POST", path=_path(job_id) + "/reset", read=Job.from_wire, job_id=job_id)


def connect() -> Request[Roads]:
    """Ask which roads this caller can use."""
    return Request(method="GET", path="/connect", read=_read_roads)


def channel(client_id: str, job_id: str) -> str:
    """Return the Redis channel on which a job's changes are published."""
    return f"dubq:events:{client_id}:{job_id}"


def chunks(job_ids: Iterable[str]) -> Iterator[list[str]]:
    """Cut ids into as many as one request can name. Raises JobNotFoundError for what cannot be a job's id."""
    chunk: list[str] = []
    chars = 0
    for job_id in job_ids:
        check_id(job_id)
        if chunk and (len(chunk) == MOST_IDS or chars + len(job_id) + 1 > MOST_IDS_CHARS):
            yield chunk
            chunk, chars = [], 0
        chunk.append(job_id)
        chars += len(job_id) + 1
    if chunk:
        yield chunk


def _refusal(request: Request[Any], status: int, body: bytes) -> DubqError:
    problem = _problem(body) | {"status": status}  # a proxy may have put its own status before the problem's
    try:
        error = revive(problem, job_id=request.job_id, job=None)
    except (KeyError, TypeError, ValueError):
        error = revive({"status": status}, job_id=request.job_id, job=None)
    error.job_id = error.job_id or request.job_id
    return error


def _problem(body: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _retry_after_or_zero(header: str | None, now: datetime) -> float:
    if header is None:
        return 0.0
    try:
        return retry_after_s(header, now)
    except (ValueError, OverflowError):
        return 0.0  # unreadable advice is none


def _path(job_id: str) -> str:
    check_id(job_id)
    return f"/jobs/{quote(job_id, safe='')}"


def check_id(job_id: str) -> None:
    """Raise JobNotFoundError for what cannot name a job, before it gets into an address or a channel."""
    if not is_job_id(job_id):
        raise JobNotFoundError(f"{job_id!r} cannot be a job's id", job_id=job_id)


def _read_jobs(document: Any) -> tuple[Job, ...]:
    return tuple(Job.from_wire(each) for each in document["jobs"])


def _read_page(document: Any) -> Page:
    return Page(jobs=_read_jobs(document), next_cursor=document["next_cursor"])


def _read_roads(document: Any) -> Roads:
    redis = document.get("redis")
    return Roads(client_id=str(document["client_id"]), redis_url=redis["url"] if redis else None)
