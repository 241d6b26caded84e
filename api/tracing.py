"""What every request gets: an id, a place in the counts and in the log, and the headers that all answers share."""

import re
import time
from functools import cache
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import flask
import structlog

from contract.ids import is_job_id
from store import measures

from .meter import Meter
from .outgoing import shield

_SANE: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PLACE: Final = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
log = structlog.get_logger()


class Tracing:
    """Follows every request, and counts it with `meter`."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def mount(self, app: flask.Flask) -> None:
        """Follow every request of `app`."""
        app.before_request(self._begin)
        app.after_request(self._end)

    @staticmethod
    def _begin() -> None:
        theirs = flask.request.headers.get("X-Request-Id", "")
        flask.g.request_id = theirs if _SANE.fullmatch(theirs) else uuid4().hex
        flask.g.began_s = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=flask.g.request_id)
        job_id = (flask.request.view_args or {}).get("job_id", "")
        if is_job_id(job_id):
            structlog.contextvars.bind_contextvars(job_id=job_id)

    def _end(self, response: flask.Response) -> flask.Response:
        response.headers["X-Request-Id"] = flask.g.request_id
        shield(response)
        took_s = time.perf_counter() - flask.g.began_s
        # a stream has only begun, and a held answer took as long as its caller wanted
        is_held = response.direct_passthrough or "Preference-Applied" in response.headers
        rule = flask.request.url_rule
        route = template(rule.rule) if rule else ""
        count(self._meter, flask.request.method, route, response.status_code, None if is_held else took_s)
        if code := flask.g.get("problem"):
            self._meter.count(measures.PROBLEMS.of(code))
        _write(response.status_code, took_s, code)
        return response


def count(meter: Meter, method: str, route: str, status: int, took_s: float | None) -> None:
    """Count one answer, by the template of its route ("": it has none); `took_s` None says nothing of the service."""
    method = method if method in _METHODS else measures.OTHER
    route = route or measures.OTHER
    meter.count(measures.REQUESTS.of(method, route, f"{status // 100}xx"))
    if took_s is not None:
        meter.add(measures.ANSWER.of(took_s, method, route))


@cache
def template(rule: str) -> str:
    """Return a rule as the documentation writes it: `/jobs/{job_id}`."""
    return _PLACE.sub(r"{\1}", rule)


def _write(status: int, took_s: float, code: str | None) -> None:
    """Leave a line: of a read that went well, as most do, and of a probe at `debug`."""
    write = log.debug if flask.request.method in _READS and status < HTTPStatus.BAD_REQUEST else log.info
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        write = log.warning
    if flask.request.path in _PROBES:
        write = log.debug
    facts = {"code": code} if code else {}
    write(
        "request",
        method=flask.request.method,
        path=flask.request.path,
        status=status,
        duration_ms=round(took_s * 1000, 2),
        **facts,
    )
