"""gunicorn's gevent worker, whose own refusals are problem documents like all others."""

import json
from http import HTTPStatus
from types import FrameType
from typing import Any, Final, Self
from uuid import uuid4

import gevent
from gunicorn.http.errors import (  # type: ignore[import-untyped]  # it has no stubs
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

BODY_S = 30.0
"""What a request's body may take."""
STUCK_S = 60.0
"""A reader has so long for each piece of an answer; one that takes nothing is hung up on."""
_OURS: Final = (InvalidResponseHeader, InvalidResponseHeaderName)
"""Which gunicorn derives from what is wrong with requests."""
_STATUS: Final = (
    (LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG),
    (LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
)


class Worker(GeventWorker):  # type: ignore[misc]  # it has no stubs
    """Answers what is no HTTP that it understands, and so never reaches the application; ends without delay."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a SIGTERM: whoever is kept waiting for news is told that this process will not have any."""
        super().handle_exit(sig, frame)
        # a signal's handler may not wait for a lock
        gevent.spawn(self._close_hub)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answer a request; once the process is about to end, it is the last on its connection."""
        from .bodies import InTime  # noqa: PLC0415 - only now, as below

        sock.settimeout(STUCK_S)
        if getattr(req.body.reader, "length", True):  # most requests have no body
            req.body.reader = InTime(req.body.reader, gevent.Timeout, BODY_S)
        try:
            with Together(sock) as together:
                super().handle_request(listener_name, req, together, addr)
        except TimeoutError:
            self.log.info("a reader took nothing for %g s", STUCK_S)
            raise StopIteration from None
        if not self.alive:
            raise StopIteration

    def _close_hub(self) -> None:
        from .app import HUB  # noqa: PLC0415 - only now, as below

        hub = getattr(self.wsgi, "extensions", {}).get(HUB)
        if hub is not None:
            hub.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Refuse a request; everything but a refusal stays gunicorn's."""
        if not isinstance(exc, ParseException) or isinstance(exc, _OURS):
            super().handle_error(req, client, addr, exc)
            return
        self._count(exc)
        try:
            client.sendall(refusal(exc, uuid4().hex))
        except OSError as error:
            self.log.debug("refusal not sent: %s", error)

    def _count(self, error: ParseException) -> None:
        from .app import METER  # noqa: PLC0415 - only now, as below
        from .tracing import count  # noqa: PLC0415

        count(self.wsgi.extensions[METER], "", "", status_of(error), None)


class Together:
    """A connection that sends the head of an answer with what comes next: two packets cost both ends a turn more.

    gunicorn writes both in a row. Where there is no body, the head is sent as the `with` block is left.
    """

    __slots__ = ("_head", "_is_sent", "_socket")

    def __init__(self, socket: Any) -> None:
        self._socket, self._head, self._is_sent = socket, b"", False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._head:
            self.sendall(b"")

    def sendall(self, data: bytes) -> None:
        """Send what was kept, and this; keep this if nothing came before."""
        if not (self._head or self._is_sent):
            self._head = data
            return
        if self._head:
            data, self._head, self._is_sent = self._head + data, b"", True
        self._socket.sendall(data)

    def sendfile(self, *args: Any, **options: Any) -> Any:
        """Send a file, which the system takes from where it lies: what was kept goes before it."""
        if self._head:
            self.sendall(b"")
        return self._socket.sendfile(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def status_of(error: Exception) -> HTTPStatus:
    """Return the status of a refusal."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)


def refusal(error: Exception, request_id: str) -> bytes:
    """Return a whole HTTP answer that says what is wrong with a request. Source: RFC 9112, section 2.2."""
    # only now: what gunicorn's first process imports comes too early for gevent to patch
    from contract.errors import RequestError  # noqa: PLC0415

    from .outgoing import SHIELD  # noqa: PLC0415
    from .problems import members  # noqa: PLC0415

    status = status_of(error)
    document = members(RequestError(str(error)[:500]), request_id) | {"status": status.value}
    body = json.dumps(document).encode()
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Connection: close",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
        *(f"{name}: {value}" for name, value in SHIELD.items()),
    )
    return "\r\n".join((*lines, "", "")).encode() + body
