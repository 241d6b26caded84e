"""Requests over the wire: one session, its token, its metrics, and some mercy for a service that is away."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from . import http
from .metrics import Metrics
from .steps import Send

T = TypeVar("T")

SHORTEST_REQUEST_S: Final = 0.001  # no socket takes a timeout of 0
POOL_SIZE: Final = 64  # connections that are kept for threads that wait at once
AWAY_S: Final = 1.0
"""For so long after nobody answered, others do not knock: a client with many waits knocks once a second in all."""


class Bearer(requests.auth.AuthBase):
    """Sends the token, also where a .netrc would have sent something else."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    """Sends requests and says what came of them; raises only for what cannot be sent at all."""

    def __init__(
        self,
        url: str,
        token: str | None,
        session: requests.Session | None,
        metrics: Metrics,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """`session` is the caller's own (proxies, certificates) and stays open; else one is made and closed here."""
        self._url = url.rstrip("/")
        self._auth = Bearer(token) if token else None
        self._owns_session = session is None
        self._session = session or _new_session()
        self._metrics = metrics
        self._clock, self._now = clock, now
        self._away: tuple[float, str] = (-float("inf"), "")  # until when, and why

    def send(self, step: Send[T]) -> http.Answer[T]:
        """Send a request and wait for its answer as long as the step says.

        Nobody is followed to another address. Raises ValueError for one that requests cannot use, or a bad proxy.
        """
        until_s, reason = self._away
        if not step.insist and self._clock() < until_s:
            return http.unreachable(step.request, self._url, reason)
        began_s = self._clock()
        prepared = self._prepare(step)
        try:
            status, headers, body = self._exchange(prepared, max(step.within_s, SHORTEST_REQUEST_S))
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            raise  # of the caller's: no later attempt could be better
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            self._note_absence(error)
            self._count(step, began_s, None)
            return http.unreachable(step.request, self._url, _first_words(error))
        self._count(step, began_s, status)
        return http.classify(step.request, status, headers, body, self._now())

    def close(self) -> None:
        """Let go of all connections."""
        if self._owns_session:
            self._session.close()

    def _prepare(self, step: Send[Any]) -> requests.PreparedRequest:
        request = step.request
        return self._session.prepare_request(
            requests.Request(
                request.method,
                self._url + request.path,
                params=urlencode(request.params, safe=","),
                headers={"Accept": "application/json", **request.headers},
                json=request.body,
                auth=self._auth,
            )
        )

    def _exchange(
        self, prepared: requests.PreparedRequest, limit_s: float
    ) -> tuple[int, requests.structures.CaseInsensitiveDict[str], bytes]:
        parts: list[bytes] = []
        until_s = self._clock() + limit_s
        # in a hook: right after those, requests reads a redirection's body itself, however long that takes
        prepared.hooks["response"].append(lambda response, **_: parts.extend(self._read(response, until_s)))
        settings: dict[str, Any] = {
            **self._session.merge_environment_settings(prepared.url or "", {}, True, None, None),  # noqa: FBT003 - stream
            # all of it: requests' own number would count for connecting and for the head anew
            "timeout": Timeout(total=limit_s),
        }
        with self._session.send(prepared, allow_redirects=False, **settings) as response:
            # a hook of the session's own may have read the body before ours
            return response.status_code, response.headers, b"".join(parts) or response.content

    def _read(self, response: requests.Response, until_s: float) -> list[bytes]:
        """Read a body to its end, so that its connection can be used again. Raises TimeoutError where that is late."""
        parts: list[bytes] = []
        try:
            if response.is_redirect:
                response.raw.close()  # nobody wants what is in it
                return parts
            while part := self._read_some(response.raw, until_s):
                parts.append(part)
        except BaseException:
            response.close()
            raise
        return parts

    def _read_some(self, raw: Any, until_s: float) -> bytes:
        left_s = until_s - self._clock()
        if left_s <= 0:
            raise TimeoutError("the answer did not come to its end in time")
        sock = getattr(raw.connection, "sock", None)
        if sock is not None:  # else the connection ends with this answer, and each read has all of the time
            sock.settimeout(left_s)
        some: bytes = raw.read1(decode_content=True)
        return some

    def _note_absence(self, error: Exception) -> None:
        if isinstance(error, requests.ConnectionError):
            self._away = (self._clock() + AWAY_S, _first_words(error))

    def _count(self, step: Send[Any], began_s: float, status: int | None) -> None:
        took_s = self._clock() - began_s
        self._metrics.count_request(step.request.job_id, is_retry=step.is_retry, took_s=took_s, status=status)


def _new_session() -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_maxsize=POOL_SIZE)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _first_words(error: BaseException) -> str:
    """Return what an error of the network says at its root: what wraps it repeats the address."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__
