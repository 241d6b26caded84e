"""The HTTP side of a CallbackServer: a request is read within its time, judged elsewhere, and answered.

One request a connection. A sender that is slow, silent or endless costs one thread, for as long as a request may take.
"""

import json
import logging
import math
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final

from contract.errors import (
    BodyTooLargeError,
    DubqError,
    MethodNotAllowedError,
    RequestError,
    RouteNotFoundError,
)

from .webhooks import Headers

BODY_LIMIT: Final = 1_000_000
CONNECTIONS: Final = 128
"""So many at once, a thread each; one more is hung up on, and its sender tries again."""
RETRY_AFTER_S: Final = 5
TICK_S: Final = 0.1
"""How often somebody looks for requests that take too long; also what `end` may wait."""

_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_log = logging.getLogger(__name__)

Receive = Callable[[Headers, bytes], None]
"""Takes what was posted, or raises a DubqError, whose status is answered."""


class Reception(ThreadingTCPServer):
    """Listens from the moment it is made; `serve_forever` answers.

    Of the standard library's servers it is the one below HTTPServer, which asks the DNS for the host's name first.
    """

    allow_reuse_address = True
    request_queue_size = CONNECTIONS

    def __init__(self, address: tuple[str, int], path: str, receive: Receive, within_s: float) -> None:
        self.path, self.receive, self.within_s = path, receive, within_s
        self._lock = threading.Lock()
        self._until_s: dict[Any, float] = {}  # by which time a connection's request has to be there
        super().__init__(address, Visit)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Say whether there is room for one more connection."""
        with self._lock:
            return len(self._until_s) < CONNECTIONS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its time and its thread."""
        with self._lock:
            self._until_s[request] = time.monotonic() + self.within_s
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End what takes too long. Called every tick."""
        self._hear_no_more(time.monotonic())

    def _hear_no_more(self, now_s: float) -> None:
        """Let those whose time is up at `now_s` read an end; who is at work is not hindered, and can still answer."""
        with self._lock:
            for request, until_s in self._until_s.items():
                if until_s <= now_s:
                    with suppress(OSError):  # the other side is gone
                        request.shutdown(socket.SHUT_RD)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._until_s.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Note what went wrong with a connection; that the other side is gone is nothing to worry about."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError | TimeoutError):
            _log.error("webhook_connection_failed", exc_info=error)

    def end(self, serving: threading.Thread) -> None:
        """End `serve_forever`, and return once all threads are: requests still to come are cut off, others finish."""
        self.shutdown()
        serving.join()
        self._hear_no_more(math.inf)
        self.server_close()


class Visit(BaseHTTPRequestHandler):
    """One connection."""

    server: Reception
    protocol_version = "HTTP/1.1"  # so that whoever asks whether to go on is told
    server_version, sys_version = "dubq", ""

    _unread = 0

    def setup(self) -> None:
        """Let no single read or write take longer than a request may, and the tick that ends it."""
        super().setup()
        self.connection.settimeout(self.server.within_s + 10 * TICK_S)

    def parse_request(self) -> bool:
        """Return whether there is a request to go on with; what is in its head alone is refused here."""
        if not super().parse_request():
            return False
        length = self.headers.get("Content-Length", "")
        self._unread = int(length) if _LENGTH.fullmatch(length) else 0
        if self.path.partition("?")[0] != self.server.path:
            self._refuse(RouteNotFoundError())
        elif self.command != "POST":
            self._refuse(MethodNotAllowedError())
        else:
            return True
        return False

    def do_POST(self) -> None:
        """Receive what is posted."""
        try:
            body = self._body()
            self.server.receive(self.headers, body)
        except DubqError as error:
            self._refuse(error)
        else:
            self._answer(HTTPStatus.NO_CONTENT, None)

    def _body(self) -> bytes:
        """Return the body. Raises RequestError, BodyTooLargeError."""
        if not _LENGTH.fullmatch(self.headers.get("Content-Length", "")):
            raise RequestError("Content-Length has to say how long the body is")
        if self._unread > BODY_LIMIT:
            raise BodyTooLargeError(f"the body may have {BODY_LIMIT} bytes at most")
        body = self.rfile.read(self._unread)
        if len(body) < self._unread:
            self._unread = 0
            raise RequestError(f"the body did not come whole within {self.server.within_s:g} s")
        self._unread = 0
        return body

    def _refuse(self, error: DubqError) -> None:
        """Answer with a problem document (RFC 9457)."""
        status = error.status or HTTPStatus.INTERNAL_SERVER_ERROR
        members = {"title": error.title, "status": status, "detail": str(error), "code": error.code}
        members |= {"type": f"urn:dubq:problem:{error.code}", "retryable": error.retryable}
        self._answer(status, members, {"Retry-After": str(RETRY_AFTER_S)} if error.retryable else {})

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what the standard library refuses by itself."""
        title = message or HTTPStatus(code).phrase
        self._answer(code, {"type": "about:blank", "title": title, "status": code})

    def _answer(self, status: int, members: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        document = b"" if members is None else json.dumps(members).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "POST")
        if members is not None:
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(document)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(document)
        self._read_on()

    def _read_on(self) -> None:
        """Read what a refused sender has still to say: cut off in the middle, it would not hear the answer."""
        while self._unread and (chunk := self.rfile.read(min(self._unread, 65536))):
            self._unread -= len(chunk)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Keep the standard library from writing to standard error."""
        _log.debug("webhook_request", extra={"words": format % args})
