"""What any transport of ours does besides moving bytes: addresses, headers, counting, mercy for who is away. No I/O."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from . import answers, http
from .metrics import Metrics
from .steps import Line, Send

T = TypeVar("T")

SHORTEST_REQUEST_S: Final = 0.001  # no socket takes a timeout of 0
POOL_SIZE: Final = 64  # connections that are kept for waits that ask at once
KEPT_S: Final = 1.0
"""A connection on which nobody has asked for so long is not used again: it may have been cut without a word."""
AWAY_S: Final = 1.0
"""For so long after nobody answered, others do not knock: all waits of a client together knock about once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request as any HTTP library takes it; `timeout_s` is for all of it, `quiet_s` for a silence in it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float
    quiet_s: float

    @property
    def head_s(self) -> float:
        """Within how many seconds the answer has to begin."""
        return min(self.timeout_s, self.quiet_s)

    @property
    def connect_s(self) -> float:
        """Within how many seconds somebody has to let us in: one round trip, however busy he is."""
        return min(self.timeout_s, self.quiet_s / 2)


class Wire:
    """The service's address, and how things went there of late."""

    def __init__(self, url: str, metrics: Metrics, *, clock: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._url = url.rstrip("/")
        self._metrics = metrics
        self._clock, self._now = clock, now
        self._away: tuple[float, str] = (0.0, "")  # until when, and why; no reason: it is not

    def spare(self, step: Send[T]) -> http.Answer[T] | None:
        """Return the answer at once where the service has just been found away, unless the step insists.

        Once that is `AWAY_S` ago one may knock, and the others wait for what it finds: also if all come at one moment.
        The answer says when that is.
        """
        (until_s, reason), now_s = self._away, self._clock()
        if step.insist or not reason:
            return None
        if now_s < until_s:
            return replace(answers.unreachable(step.request, self._url, reason), retry_after_s=until_s - now_s)
        self._away = (now_s + AWAY_S, reason)
        return None

    def outgoing(self, step: Send[Any]) -> Outgoing:
        """Write a request. Raises ValueError or TypeError for a body that JSON cannot say."""
        request = step.request
        query = urlencode(request.params, safe=",")
        has_body = request.body is not None
        return Outgoing(
            method=request.method,
            url=self._url + request.path + (f"?{query}" if query else ""),
            headers={
                "Accept": "application/json",
                **({"Content-Type": "application/json"} if has_body else {}),
                **request.headers,
            },
            body=json.dumps(request.body, allow_nan=False).encode() if has_body else None,
            timeout_s=max(step.within_s, SHORTEST_REQUEST_S),
            quiet_s=step.quiet_s,
        )

    def answered(
        self, step: Send[T], began_s: float, status: int, headers: Mapping[str, str], body: bytes
    ) -> http.Answer[T]:
        """Count an answer, and say what it means."""
        self._away = (0.0, "")
        self._count(step, began_s, status)
        return answers.classify(step.request, status, headers, body, self._now())

    def opened(
        self, step: Send[None], began_s: float, status: int, headers: Mapping[str, str], body: bytes
    ) -> tuple[http.Answer[Any], Line]:
        """Count the answer to who has asked for a stream, and say what it means; `body` is only that of a refusal."""
        self._away = (0.0, "")
        self._count(step, began_s, status)
        return answers.stream(step.request, status, headers, body, self._now())

    def failed(
        self, step: Send[T], began_s: float, reason: str, *, is_away: bool, is_silent: bool = False
    ) -> http.Answer[T]:
        """Count a request that got no answer; `is_away`: there was nobody to connect to, `is_silent`: he said none."""
        if is_away:
            self._away = (self._clock() + AWAY_S, reason or "away")
        self._count(step, began_s, None)
        return answers.unreachable(step.request, self._url, reason, is_silent=is_silent)

    def _count(self, step: Send[Any], began_s: float, status: int | None) -> None:
        took_s = self._clock() - began_s
        request = step.request
        self._metrics.count_request(request.kind, request.job_id, is_retry=step.is_retry, took_s=took_s, status=status)


def first_words(error: BaseException) -> str:
    """Return what an error of the network says at its root: what wraps it repeats the address."""
    root = root_of(error)
    return str(root) or type(root).__name__


def root_of(error: BaseException) -> BaseException:
    """Return the error that others were raised from."""
    while error.__context__ is not None:
        error = error.__context__
    return error
