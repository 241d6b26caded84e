"""Writing an answer: the job document with the headers that tell a reader what to do next."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import flask
from werkzeug.datastructures import Headers

from contract.job import Job

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

PENDING_RETRY_S: Final = 1
LONGEST_RETRY_S: Final = 30
"""An expectation is no promise: who asks plainly should do so twice a minute at least."""

SHIELD: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer says to browsers, unless its route says it otherwise: data is no page, and nobody else's."""


def shield(response: flask.Response) -> None:
    """Add what an answer does not say for itself."""
    said = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - to iterate over headers gives pairs
    for name, value in SHIELD.items():
        if name.lower() not in said:
            response.headers.add(name, value)


class Whole(flask.Response):
    """An answer whose body and headers are as they shall be sent.

    werkzeug looks at each header once more as it writes an answer, for what may need mending; and asks each for its
    length, and for what is to be closed.
    """

    def __init__(self, body: bytes, status: int, headers: Iterable[tuple[str, str]]) -> None:
        length = ("Content-Length", str(len(body)))
        super().__init__([body], status, Headers([("Content-Type", "application/json"), length, *headers]))

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Send it."""
        start_response(self.status, self.headers.to_wsgi_list())
        body: list[bytes] = [] if environ["REQUEST_METHOD"] == "HEAD" else self.response  # type: ignore[assignment]
        return body


def answer(data: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> flask.Response:
    """Return a JSON answer."""
    return Whole(_encode(data), status, headers)


def document(job: Job) -> bytes:
    """Return the job document, also once the request that wants it is no more."""
    return _encode(job.to_wire())


def job_answer(job: Job, status: int = 200) -> flask.Response:
    """Return the job document: its `ETag` is its `seq`, and `Retry-After` stands there until it is done."""
    return answer(job.to_wire(), status, _of(job))


def accepted(job: Job) -> flask.Response:
    """Return 202 with the way to the job."""
    return answer(job.to_wire(), 202, [*_of(job), ("Location", f"/jobs/{job.job_id}")])


def nothing() -> flask.Response:
    """Return 204: there is nothing to say, of no content type."""
    response = flask.Response(status=204)
    del response.headers["Content-Type"]
    return response


def not_modified(job: Job) -> flask.Response:
    """Return 304: the caller knows this `seq` already."""
    response = flask.Response(status=304, headers=_of(job))
    del response.headers["Content-Type"]
    return response


def describe(job: Job) -> list[tuple[str, str]]:
    """Return the headers that say which job an answer is about, and when to ask again."""
    found = [
        ("Content-Location", f"/jobs/{job.job_id}"),
        # may be kept, but only to be asked about again with its ETag
        ("Cache-Control", "private, no-cache"),
    ]
    return found if job.done else [*found, ("Retry-After", str(retry_after_s(job)))]


def retry_after_s(job: Job) -> int:
    """Return what a caller without a better schedule should wait before it asks about an unfinished job again.

    It is never later than the looks of a caller who makes the best of the `eta`: to these it is a lower bound.
    """
    expected_s = int(job.eta.p10_s) if job.eta else 0
    return min(LONGEST_RETRY_S, max(PENDING_RETRY_S, expected_s))


def _of(job: Job) -> list[tuple[str, str]]:
    return [*describe(job), ("ETag", f'"{job.seq}"')]


def _encode(data: Any) -> bytes:
    return _JSON.encode(data).encode()


_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
