"""What every request gets: an id, one line in the log, and the headers that all answers share."""

import re
import time
from typing import Final
from uuid import uuid4

import flask
import structlog

from .outgoing import shield

_SANE: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PROBES: Final = frozenset({"/healthz", "/readyz"})
log = structlog.get_logger()


def mount(app: flask.Flask) -> None:
    """Follow every request of `app`."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    theirs = flask.request.headers.get("X-Request-Id", "")
    flask.g.request_id = theirs if _SANE.fullmatch(theirs) else uuid4().hex
    flask.g.began_s = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=flask.g.request_id)


def _end(response: flask.Response) -> flask.Response:
    response.headers["X-Request-Id"] = flask.g.request_id
    shield(response)
    write = log.debug if flask.request.path in _PROBES else log.info
    write(
        "request",
        method=flask.request.method,
        path=flask.request.path,
        status=response.status_code,
        duration_ms=round((time.perf_counter() - flask.g.began_s) * 1000, 2),
    )
    return response
