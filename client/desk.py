"""What both faces of the client do alike before anything is sent: settings, ids, submissions, plans. No I/O."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from contract.ids import uuid7
from contract.job import Job

from . import http
from .batch import submit_many
from .ladder import ROADS, Road
from .many import ManyTerms, wait_all
from .memory import Memory
from .patience import OnTimeout, Push, check_seconds
from .sendable import check_token, check_url
from .steps import Plan
from .waiting import Terms, insist, wait

OnUpdate = Callable[[Job], object]

DEFAULT_URL: Final = "http://127.0.0.1:5000"
SUBMIT_TIMEOUT_S: Final = 30.0

SUBMISSION: Final = frozenset(
    {
        "video_url",
        "job_id",
        "target_language",
        "source_language",
        "title",
        "video_duration_s",
        "priority",
        "metadata",
        "callback_url",
        "max_attempts",
        "engine",
        "simulate",
        "idempotency_key",
    }
)
"""The arguments of `submit` that make a submission."""


def now_utc() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def url_or_default(url: str | None) -> str:
    """Return the service's address: given, from DUBQ_URL, or on this machine.

    Raises ValueError or TypeError for what can be none.
    """
    url = url or os.environ.get("DUBQ_URL") or DEFAULT_URL
    check_url(url)
    return url


def token_or_default(token: str | None) -> str | None:
    """Return the token: given, from DUBQ_TOKEN, or none. Raises ValueError or TypeError if no header can carry it."""
    token = token or os.environ.get("DUBQ_TOKEN") or None
    if token is not None:
        check_token(token)
    return token


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Makes plans and requests of what a client is asked for. The clock is monotonic, `now` is UTC."""

    request_timeout_s: float
    roads: tuple[Road, ...] = ROADS
    clock: Callable[[], float]
    now: Callable[[], datetime]
    chance: Callable[[], float]
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        check_seconds("request_timeout", self.request_timeout_s)

    def submission(self, fields: Mapping[str, Any]) -> http.Request[Job]:
        """Return the request for the arguments of `submit`, with an id chosen if none is given.

        Raises TypeError for what `submit` would not take, and ValueError or TypeError for what cannot be sent.
        """
        unknown = sorted(fields.keys() - SUBMISSION)
        if unknown or "video_url" not in fields:
            raise TypeError(
                f"a submission has no {', '.join(unknown)}" if unknown else "a submission has to have a video_url"
            )
        body = {name: value for name, value in fields.items() if name != "idempotency_key"}
        if body.get("job_id") is None:
            body["job_id"] = str(uuid7(int(self.now().timestamp() * 1000), os.urandom(10)))
        return http.submit(body, fields.get("idempotency_key"))

    def submitting(self, request: http.Request[Job], timeout: float) -> Plan[Job]:
        """Plan to submit a job within `timeout` seconds."""
        check_seconds("timeout", timeout)
        return insist(request, timeout, self.request_timeout_s, self.clock(), self.chance)

    def submitting_many(self, submissions: Iterable[Mapping[str, Any]], timeout: float) -> Plan[list[Job]]:
        """Plan to submit many jobs within `timeout` seconds."""
        check_seconds("timeout", timeout)
        requests = [self.submission(each) for each in submissions]
        return submit_many(requests, timeout, self.request_timeout_s, self.clock(), self.chance)

    def waiting(
        self,
        job_id: str | None,
        push: Push,
        *,
        timeout: float,
        request_timeout: float | None,
        on_timeout: OnTimeout = "raise",
        raise_on_failure: bool = False,
        wants_progress: bool = False,
        wants_warning: bool = False,
    ) -> tuple[tuple[str, ...], Plan[Job]]:
        """Return the id, if there is one, and the plan of the wait for one job, which begins now."""
        ids = () if job_id is None else (http.job_id_of(job_id),)
        terms = Terms(
            job_id=ids[0] if ids else None,
            push=push,
            timeout_s=timeout,
            request_timeout_s=self.request_timeout_s if request_timeout is None else request_timeout,
            on_timeout=on_timeout,
            raise_on_failure=raise_on_failure,
            roads=self.roads,
            wants_progress=wants_progress,
            wants_warning=wants_warning,
            told=self.memory.take(ids),
        )
        return ids, wait(terms, self.clock(), self.chance)

    def waiting_for_all(
        self,
        job_ids: Iterable[str],
        *,
        timeout: float,
        request_timeout: float | None,
        on_timeout: OnTimeout = "raise",
        raise_on_failure: bool = False,
        wants_progress: bool = False,
        wants_warning: bool = False,
    ) -> tuple[tuple[str, ...], Plan[dict[str, Job]]]:
        """Return the ids, each once, and the plan of the wait for all of them, which begins now.

        Raises TypeError for a string, which is one id and not many.
        """
        ids = tuple(dict.fromkeys(http.job_ids_of(job_ids)))
        terms = ManyTerms(
            job_ids=ids,
            push=Push.IF_OFFERED,
            timeout_s=timeout,
            request_timeout_s=self.request_timeout_s if request_timeout is None else request_timeout,
            on_timeout=on_timeout,
            raise_on_failure=raise_on_failure,
            roads=self.roads,
            wants_progress=wants_progress,
            wants_warning=wants_warning,
            told=self.memory.take(ids),
        )
        return ids, wait_all(terms, self.clock(), self.chance)
