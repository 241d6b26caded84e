"""The service's HTTP face as pure values: what to send, and how it is read. No I/O, no clock."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from contract.delivery import Delivery
from contract.errors import (
    DubqError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from contract.ids import is_job_id
from contract.job import Job
from contract.resume import parse

from .sendable import check_json, check_visible

T = TypeVar("T")

MOST_IDS: Final = 1000  # the service reads no more at once
MOST_IDS_CHARS: Final = 3_800  # gunicorn's request line ends at 4094, and proxies have such limits too


class Kind(StrEnum):
    """What a request is for, as it is counted."""

    SUBMIT = "submit"
    SUBMIT_MANY = "submit_many"
    READ = "read"
    READ_MANY = "read_many"
    LIST = "list"
    CANCEL = "cancel"
    RESET = "reset"
    DELIVERIES = "deliveries"
    REDELIVER = "redeliver"
    CONNECT = "connect"
    LONG_POLL = "long_poll"
    EVENTS = "events"
    SIMULATOR = "simulator"

    @property
    def is_held(self) -> bool:
        """Whether the service answers when there is news: how long that takes says nothing about the service."""
        return self in {Kind.LONG_POLL, Kind.EVENTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """One request, and how its answer is read. `job_id` is the job it is counted for, `kind` what as."""

    kind: Kind
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

    `is_passing` says that asking again later may well help; `is_away`, that nobody was there to ask; `is_silent`, that
    somebody may have been, who said nothing for too long. `retry_after_s` is how long the service asked us to wait.
    `hold_s` is for how long it was ready to wait for news before it answered.
    """

    value: T | None = None
    error: DubqError | None = None
    is_passing: bool = False
    is_away: bool = False
    is_silent: bool = False
    retry_after_s: float = 0.0
    hold_s: float = 0.0

    @property
    def was_held(self) -> bool:
        """Whether the service was ready to wait for news."""
        return self.hold_s > 0

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
    """How this caller can be told: `redis_url` is None where the service offers no pub/sub.

    `has_events` says that it sends events. `is_certain` is False where we could not learn who we are, and so cannot be
    told by a Redis of our own finding.
    """

    client_id: str
    redis_url: str | None
    has_events: bool = False
    is_certain: bool = True


# What to send.


def submit(body: Mapping[str, Any], idempotency_key: str | None) -> Request[Job]:
    """Submit a job; fields of `body` that are None are left out.

    Raises ValueError or TypeError for what neither JSON nor a header can say.
    """
    said = {name: value for name, value in body.items() if value is not None}
    check_json(said)
    if idempotency_key:
        check_visible("idempotency_key", idempotency_key)
    return Request(
        kind=Kind.SUBMIT,
        method="POST",
        path="/jobs",
        read=Job.from_wire,
        headers={"Idempotency-Key": idempotency_key} if idempotency_key else {},
        body=said,
        job_id=body["job_id"],
    )


def read_job(job_id: str, known_seq: int | None = None) -> Request[Job]:
    """Read one job; nothing comes back where it still is as it was at `known_seq`."""
    job_id = job_id_of(job_id)
    headers = {} if known_seq is None else {"If-None-Match": f'"{known_seq}"'}
    return Request(kind=Kind.READ, method="GET", path=_path(job_id), read=Job.from_wire, headers=headers, job_id=job_id)


def hold_for(request: Request[Job], hold_s: int, *, until_done: bool, with_pings: bool = True) -> Request[Job]:
    """Have the answer to `read_job` held until there is news, or only until the job is done, `hold_s` at most.

    With pings it begins at once, and says each second that it is still to come. Source: RFC 7240, section 4.3, for
    `wait`; `until` and `ping` are parameters of our own.
    """
    wish = f"wait={hold_s}" + "; until=done" * until_done + "; ping=1" * with_pings
    return replace(request, kind=Kind.LONG_POLL, headers={**request.headers, "Prefer": wish})


def events(job_id: str | None) -> Request[None]:
    """Ask for the stream of a job's events, or of those of all the caller's jobs."""
    path = "/events" if job_id is None else _path(job_id) + "/events"
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    return Request(kind=Kind.EVENTS, method="GET", path=path, read=lambda _: None, headers=headers, job_id=job_id)


def read_single() -> Request[Job]:
    """Read the job of the single-job face, as a whole document. Source: RFC 7240 for `Prefer`."""
    return Request(
        kind=Kind.READ, method="GET", path="/status", read=Job.from_wire, headers={"Prefer": "return=representation"}
    )


def read_many(job_ids: Iterable[str]) -> Request[tuple[Job, ...]]:
    """Read several jobs; those that do not exist are left out."""
    return Request(kind=Kind.READ_MANY, method="GET", path="/jobs", read=_read_jobs, params={"ids": ",".join(job_ids)})


def list_jobs(state: str | None, target_language: str | None, cursor: str | None) -> Request[Page]:
    """Read the page of the caller's jobs that begins at `cursor`, newest first."""
    params = {"state": state, "target_language": target_language, "cursor": cursor}
    return Request(
        kind=Kind.LIST, method="GET", path="/jobs", read=_read_page, params={k: v for k, v in params.items() if v}
    )


def cancel(job_id: str) -> Request[Job]:
    """Ask a job to stop."""
    job_id = job_id_of(job_id)
    return Request(kind=Kind.CANCEL, method="POST", path=_path(job_id) + "/cancel", read=Job.from_wire, job_id=job_id)


def reset(job_id: str) -> Request[Job]:
    """Ask for a finished job to be run again."""
    job_id = job_id_of(job_id)
    return Request(kind=Kind.RESET, method="POST", path=_path(job_id) + "/reset", read=Job.from_wire, job_id=job_id)


def deliveries(job_id: str) -> Request[tuple[Delivery, ...]]:
    """Read the log of a job's webhooks."""
    job_id = job_id_of(job_id)
    path = _path(job_id) + "/deliveries"
    return Request(kind=Kind.DELIVERIES, method="GET", path=path, read=_read_deliveries, job_id=job_id)


def redeliver(job_id: str, delivery_id: str) -> Request[Delivery]:
    """Ask for a webhook to be sent again."""
    job_id = job_id_of(job_id)
    path = f"{_path(job_id)}/deliveries/{quote(delivery_id, safe='')}/redeliver"
    return Request(kind=Kind.REDELIVER, method="POST", path=path, read=Delivery.from_wire, job_id=job_id)


def connect() -> Request[Roads]:
    """Ask which roads this caller can use."""
    return Request(kind=Kind.CONNECT, method="GET", path="/connect", read=_read_roads)


def channel(client_id: str, job_id: str) -> str:
    """Return the Redis channel on which a job's changes are published."""
    return f"dubq:events:{client_id}:{job_id}"


def chunks(job_ids: Iterable[str]) -> Iterator[list[str]]:
    """Cut ids into as many as one request can name. Raises as `job_ids_of` does."""
    chunk: list[str] = []
    chars = 0
    for job_id in job_ids_of(job_ids):
        if chunk and (len(chunk) == MOST_IDS or chars + len(job_id) + 1 > MOST_IDS_CHARS):
            yield chunk
            chunk, chars = [], 0
        chunk.append(job_id)
        chars += len(job_id) + 1
    if chunk:
        yield chunk


def job_id_of(text: str) -> str:
    """Return the id that an id or a resume token names.

    Raises ResumeTokenError for a token of another version, JobNotFoundError for what cannot name a job.
    """
    job_id = parse(text)
    check_id(job_id)
    return job_id


def job_ids_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that ids or resume tokens name. Raises TypeError for a string, which is one and not many."""
    if isinstance(texts, str):
        raise TypeError(f"job_ids has to be several ids, not one string: [{texts!r}]")
    return tuple(map(job_id_of, texts))


def _path(job_id: str) -> str:
    return f"/jobs/{quote(job_id, safe='')}"


def check_id(job_id: str) -> None:
    """Raise JobNotFoundError for what cannot name a job, before it gets into an address or a channel."""
    if not is_job_id(job_id):
        raise JobNotFoundError(f"{job_id!r} cannot be a job's id", job_id=job_id)


def _read_jobs(document: Any) -> tuple[Job, ...]:
    return tuple(Job.from_wire(each) for each in document["jobs"])


def _read_deliveries(document: Any) -> tuple[Delivery, ...]:
    return tuple(Delivery.from_wire(each) for each in document["deliveries"])


def _read_page(document: Any) -> Page:
    return Page(jobs=_read_jobs(document), next_cursor=document["next_cursor"])


def _read_roads(document: Any) -> Roads:
    redis = document.get("redis")
    return Roads(
        client_id=str(document["client_id"]),
        redis_url=redis["url"] if redis else None,
        has_events=document.get("sse") is True,
    )
