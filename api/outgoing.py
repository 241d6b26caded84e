"""Writing an answer: the job document with the headers that tell a reader what to do next."""

import json
from typing import Any, Final

import flask

from contract.job import Job

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


def answer(data: Any, status: int = 200) -> flask.Response:
    """Return a JSON answer."""
    return flask.Response(flask.json.dumps(data, allow_nan=False), status=status, content_type="application/json")


def document(job: Job) -> bytes:
    """Return the job document, also once the request that wants it is no more."""
    return json.dumps(job.to_wire(), ensure_ascii=False, allow_nan=False).encode()


def job_answer(job: Job, status: int = 200) -> flask.Response:
    """Return the job document: its `ETag` is its `seq`, and `Retry-After` stands there until it is done."""
    response = answer(job.to_wire(), status)
    describe(response, job)
    response.set_etag(str(job.seq))
    return response


def accepted(job: Job) -> flask.Response:
    """Return 202 with the way to the job."""
    response = job_answer(job, 202)
    response.headers["Location"] = f"/jobs/{job.job_id}"
    return response


def not_modified(job: Job) -> flask.Response:
    """Return 304: the caller knows this `seq` already."""
    response = job_answer(job, 304)
    response.set_data(b"")
    del response.headers["Content-Type"]
    return response


def describe(response: flask.Response, job: Job) -> None:
    """Say which job an answer is about, and when to ask again."""
    response.headers["Content-Location"] = f"/jobs/{job.job_id}"
    # may be kept, but only to be asked about again with its ETag
    response.headers["Cache-Control"] = "private, no-cache"
    if not job.done:
        response.headers["Retry-After"] = str(retry_after_s(job))


def retry_after_s(job: Job) -> int:
    """Return what a caller without a better schedule should wait before it asks about an unfinished job again.

    It is never later than the looks of a caller who makes the best of the `eta`: to these it is a lower bound.
    """
    expected_s = int(job.eta.p10_s) if job.eta else 0
    return min(LONGEST_RETRY_S, max(PENDING_RETRY_S, expected_s))
