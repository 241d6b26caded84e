"""RQ's own dashboard under /admin/rq, for the admin, if it is installed (the extra `rq-dashboard`); for reading alone.

What it would delete, empty or put back are deliveries of jobs that dubq has promised to finish. It is an application
within ours: its templates want Flask's folder for static files, its scripts a policy of their own.
"""

from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

import flask
import redis
import rq
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.serializers import JSONSerializer

from api.caller import admin_only
from contract.errors import MethodNotAllowedError, RouteNotFoundError

from .shell import HEADERS, Shell

PATH: Final = "/admin/rq"
# scripts stand in its HTML, and one of its libraries makes functions of strings
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_WRITES: Final = ("requeue", "queue", "job")
"""What its addresses begin with that change something; one of them by GET, too."""
UNKNOWN: Final = (NoSuchJobError, DeserializationError, LookupError, NameError, ValueError, ZeroDivisionError)
"""What it raises for addresses that name nothing it knows: it does not look at them first."""


class RqRoutes:
    """GET /admin/rq and what is under it."""

    def __init__(self, shell: Shell, connection: redis.Redis) -> None:
        self._redis = connection
        self._inner: flask.Flask | None = None
        if is_installed():
            add = shell.blueprint.add_url_rule
            add(f"{PATH}/", "rq", self.show, defaults={"path": ""})
            add(f"{PATH}/<path:path>", "rq_part", self.show)

    def show(self, path: str) -> flask.Response:
        """Answer with a part of it. Raises ForbiddenError, RouteNotFoundError or MethodNotAllowedError."""
        admin_only()
        if flask.request.method not in {"GET", "HEAD"}:
            raise MethodNotAllowedError
        if path.split("/", maxsplit=1)[0] in _WRITES:
            raise RouteNotFoundError("what changes something in RQ is not open here")
        if self._inner is None:
            self._inner = _application(self._redis)
        environ = {**flask.request.environ, "SCRIPT_NAME": PATH, "PATH_INFO": f"/{path}"}
        try:
            shown = flask.Response.from_app(self._inner.wsgi_app, environ, buffered=True)
        except UNKNOWN:
            raise RouteNotFoundError("RQ has nothing to show at this address") from None
        response = flask.make_response(shown)
        response.headers.update({**HEADERS, "Content-Security-Policy": POLICY})
        return response


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("rq_dashboard") is not None


class _Job(rq.job.Job):
    """A job of RQ's, read as JSON: nothing that Redis holds is unpickled."""

    @classmethod
    def fetch(cls, *given: Any, **options: Any) -> Any:
        """Read one."""
        return super().fetch(*given, **{**options, "serializer": JSONSerializer})


class _Worker(rq.Worker):
    """A worker, whose job is read so."""

    @classmethod
    def all(cls, *given: Any, **options: Any) -> Any:
        """Read all that there are."""
        return super().all(*given, **{**options, "serializer": JSONSerializer})


@cache
def _web() -> ModuleType:
    """Return the dashboard, imported only now; from now on it reads JSON, from the Redis of its application."""
    from rq_dashboard import web  # type: ignore[import-untyped]  # noqa: PLC0415 - it takes a while, and few ever look

    web.config.serializer, web.Job, web.Worker = JSONSerializer, _Job, _Worker
    web.from_url = lambda *_, **__: (None, flask.current_app.config["DUBQ_REDIS"])
    found: ModuleType = web
    return found


def _application(connection: redis.Redis) -> flask.Flask:
    app = flask.Flask("dubq_rq", static_folder=None)
    app.add_url_rule("/static/<path:filename>", "static", build_only=True)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.config["RQ_DASHBOARD_REDIS_URL"] = ("the service's",)
    app.config["DUBQ_REDIS"] = connection
    app.redis_conn = connection  # type: ignore[attr-defined]  # where it looks for it
    app.register_blueprint(_web().blueprint)
    return app
