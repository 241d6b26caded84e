"""How gunicorn runs the API: `gunicorn -c python:api.gunicorn_conf "api.app:from_env()"`.

gunicorn executes this file once, in its first process; so it is where that process reads its environment.
"""

import gc
import os
import resource
import sys
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it has no stubs
from gunicorn.http import message, wsgi  # type: ignore[import-untyped]

from contract.errors import SettingsError

from . import logs
from .settings import NOT_ALONE, ApiSettings

try:
    _settings = ApiSettings.from_env(os.environ)
except SettingsError as error:
    for problem in error.problems:
        sys.stderr.write(f"dubq api: {problem}\n")
    sys.exit(2)

bind = _settings.bind
workers = _settings.processes
worker_class = "api.gunicorn_worker.Worker"
# No header of a caller may move the paths (SCRIPT_NAME) or the scheme: whoever forwards to us rewrites neither.
forwarded_allow_ips = ""
forwarder_headers = ""
# Whoever waits for news holds a connection, so as many as ten thousand readers and all others together.
worker_connections = 20_000
_, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
# A SIGTERM is followed by this much time for the requests under way. An idle connection holds the end up, too,
# until it is closed; pollers pause for longer than it would be worth keeping it open.
graceful_timeout = 10
keepalive = 2
# It is one path per user: two services on one machine would quarrel over it, and containers cannot write there.
control_socket_disable = True
loglevel = _settings.log_level


class Log(Logger):  # type: ignore[misc]  # it has no stubs
    """gunicorn's own lines, in the form of all others."""

    def setup(self, cfg: object) -> None:
        """Let the usual set-up happen, then replace its handlers."""
        super().setup(cfg)
        logs.configure(_settings.log_level, _settings.log_format)


logger_class = Log
# Threads and connections do not survive a fork: each process builds its own application.
preload_app = False

# A thousand ids in one GET are 65 kB. gunicorn allows 8 kB or anything at all: raise what it calls the most.
message.MAX_REQUEST_LINE = 1024 * 1024
limit_request_line = message.MAX_REQUEST_LINE
# What runs here is nobody's business, nor of which version.
wsgi.SERVER = "dubq"


def post_worker_init(_worker: Any) -> None:
    """Spare the garbage collector what is there for good: modules, routes, models."""
    gc.collect()
    gc.freeze()


def when_ready(server: Any) -> None:
    """Refuse to go on at an address that the settings do not allow, wherever that came from: an option, a socket."""
    address = next((each for each in map(_address, server.LISTENERS) if not _settings.may_listen_at(each)), None)
    if address:
        sys.stderr.write(f"dubq api: listening on {address}: {NOT_ALONE}\n")
        sys.exit(2)


def _address(listener: Any) -> str:
    """Return where a socket listens, as the settings write it."""
    found = listener.sock.getsockname()
    return f"{found[0]}:{found[1]}" if isinstance(found, tuple) else f"unix:{found}"


def worker_exit(_server: Any, worker: Any) -> None:
    """Let a process that ends hand on what it has counted last."""
    from .app import REPORTER  # noqa: PLC0415 - only now: gunicorn's first process would import too much for gevent

    reporter = getattr(worker.wsgi, "extensions", {}).get(REPORTER)
    if reporter is not None:
        reporter.stop()
