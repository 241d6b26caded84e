"""A receiver of webhooks for scripts and tests."""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, Self, TypeAlias

from contract.errors import DubqError, InternalError, ServiceUnavailableError, WaitTimeoutError
from contract.states import State

from .deliveries import Inbox, Once, Turn
from .desk import now_utc
from .patience import REQUEST_TIMEOUT_S, check_seconds
from .reception import TICK_S, Reception
from .roads import ClientClosedError
from .webhooks import (
    TOLERANCE_S,
    Headers,
    Secret,
    WebhookEvent,
    WebhookPayloadError,
    WebhookVerificationError,
    keys_of,
    verify,
)

Handler: TypeAlias = Callable[[WebhookEvent], object]

REMEMBERED: Final = 10_000
"""Ids of deliveries that were handled."""
WAITING: Final = 1000
"""Events that nobody has taken yet."""

_log = logging.getLogger(__name__)


def _note_refusal(error: DubqError) -> None:
    reason = error.reason if isinstance(error, WebhookVerificationError) else str(error)
    _log.warning("webhook_refused: %s", reason)


class CallbackServer:
    """Receives webhooks at `url`, from when it is made until `close`; each verified event is handled once.

    An event goes to the handler for its type (`on_completed`, `on_failed`, `on_cancelled`), or else to `on_event`, in a
    thread of its own, so two may run at once. What a handler does is up to each client: `client.reset(job_id)` or a
    new `client.submit` to try again, `client.cancel` for other jobs that have become pointless, a mail to somebody. If
    it raises, the delivery is answered 500, and handled again when it comes again. A delivery that comes while the
    same one is being handled is answered 503; one that was handled before, 204 and no more.

    `take` and iteration give the events in their order of arrival. Without any handler each event waits there; when
    1000 wait, new ones are answered 503, and the sender tries again later. With handlers the newest 1000 are kept.

        with CallbackServer(secret, on_failed=lambda event: client.reset(event.job.job_id)) as server:
            client.submit(video_url, callback_url=server.url)
            event = server.take(timeout=60)

    `secret` may be several, as for `webhooks.verify`. What cannot be verified or read goes to `on_refused`, by itself a
    warning in the log. `request_timeout` is what a request may take to arrive, in seconds.
    Raises ValueError or TypeError for a secret that is none, and OSError where nobody can listen.
    """

    def __init__(
        self,
        secret: Secret,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str = "/",
        on_completed: Handler | None = None,
        on_failed: Handler | None = None,
        on_cancelled: Handler | None = None,
        on_event: Handler | None = None,
        on_refused: Callable[[DubqError], object] = _note_refusal,
        tolerance: float = TOLERANCE_S,
        request_timeout: float = REQUEST_TIMEOUT_S,
        now: Callable[[], datetime] = now_utc,
    ) -> None:
        self._secret: Secret = secret if isinstance(secret, str) else tuple(secret or ())
        keys_of(self._secret)
        check_seconds("tolerance", tolerance)
        check_seconds("request_timeout", request_timeout)
        if not path.startswith("/"):
            raise ValueError(f"path has to begin with /, not {path!r}")
        handlers = {State.COMPLETED: on_completed, State.ERROR: on_failed, State.CANCELLED: on_cancelled}
        self._handlers = {f"translation.{state}": handler for state, handler in handlers.items() if handler}
        self._on_event, self._on_refused = on_event, on_refused
        self._tolerance_s, self._now = tolerance, now
        self._once = Once(REMEMBERED)
        self._inbox: Inbox[WebhookEvent] = Inbox(WAITING, forgets=bool(self._handlers or on_event))
        self._reception = Reception((host, port), path, self._receive, request_timeout)
        self.port: int = self._reception.server_address[1]
        self.url = f"http://{host}:{self.port}{path}"
        self._serving = threading.Thread(
            target=self._reception.serve_forever, args=(TICK_S,), name="dubq-callbacks", daemon=True
        )
        self._serving.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and return once handlers that are at work have ended. Not for handlers to call."""
        self._inbox.close()
        self._reception.end(self._serving)

    def take(self, timeout: float) -> WebhookEvent:
        """Return the next event that nobody has taken yet, as soon as there is one.

        Raises WaitTimeoutError if none comes within `timeout` seconds, and ClientClosedError once this is closed.
        """
        check_seconds("timeout", timeout)
        try:
            event = self._inbox.take(timeout)
        except TimeoutError:
            raise WaitTimeoutError(f"no webhook came within {timeout:g} s") from None
        if event is None:
            raise ClientClosedError("this receiver of webhooks is closed")
        return event

    def __iter__(self) -> Iterator[WebhookEvent]:
        """Yield events as they come, until this is closed."""
        while (event := self._inbox.take(None)) is not None:
            yield event

    def _receive(self, headers: Headers, body: bytes) -> None:
        try:
            event = verify(headers, body, self._secret, tolerance=self._tolerance_s, now=self._now)
        except (WebhookVerificationError, WebhookPayloadError) as error:
            self._on_refused(error)
            raise
        turn = self._once.begin(event.webhook_id)
        if turn is Turn.ANOTHERS:
            raise ServiceUnavailableError("this very event is being handled; send it again later")
        if turn is Turn.YOURS:
            self._handle(event)

    def _handle(self, event: WebhookEvent) -> None:
        is_done = False
        try:
            if handler := self._handlers.get(event.type, self._on_event):
                self._call(handler, event)
            if not self._inbox.put(event):
                raise ServiceUnavailableError("too many events wait to be taken; send it again later")
            is_done = True
        finally:
            self._once.end(event.webhook_id, is_done=is_done)

    def _call(self, handler: Handler, event: WebhookEvent) -> None:
        try:
            handler(event)
        except Exception as error:
            _log.exception("webhook_handler_failed", extra={"webhook_id": event.webhook_id})
            raise InternalError("the receiver could not handle this; send it again later") from error
