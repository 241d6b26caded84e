"""The streams of a blocking client: one of its own for each of few waits, and one that all others share."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from . import http
from .audience import MOST_OWN, Attempts, Audience
from .listener import Mailbox
from .steps import Line, Send
from .stream import Stream
from .switchboard import Signal
from .transport import Transport

_log = logging.getLogger(__name__)

Opened: TypeAlias = tuple[http.Answer[Any], Line, Mailbox | Stream | None]

TURN_S: Final = 1.0
"""How soon a stream that nobody listens to any more is closed."""


class Events:
    """Opens streams, and shares them."""

    def __init__(self, transport: Transport, clock: Callable[[], float]) -> None:
        self._transport, self._clock = transport, clock
        self._opening = 0  # streams of a wait's own
        self._lock, self._count = threading.Lock(), threading.Lock()
        self._shared: _Shared | None = None
        self._attempts = Attempts()

    def open(self, job_ids: Sequence[str], within_s: float) -> Opened:
        """Be told of these jobs' events; Line.BEHIND: not how they are now. Else as `Transport.open`."""
        with self._count:
            is_own = len(job_ids) == 1 and not self._is_shared and self._own < MOST_OWN
            self._opening += is_own
        if not is_own:
            return self._join(job_ids, within_s)
        try:
            return self._transport.open(Send(request=http.events(job_ids[0]), within_s=within_s))
        finally:
            with self._count:
                self._opening -= 1

    def close(self) -> None:
        """Close the shared stream; its thread has ended when this returns."""
        if self._shared:
            self._shared.close()

    @property
    def _own(self) -> int:
        return self._opening + self._transport.open_streams

    @property
    def _is_shared(self) -> bool:
        return self._shared is not None and not self._shared.is_over

    def _join(self, job_ids: Sequence[str], within_s: float) -> Opened:
        until_s = self._clock() + within_s
        if not self._lock.acquire(timeout=max(0.0, within_s)):
            return http.Answer(is_passing=True), Line.DOWN, None  # somebody else is still opening it
        try:
            mailbox = self._shared.join(job_ids) if self._shared else None
            if mailbox:
                return http.Answer(), Line.BEHIND, mailbox
            return self._begin(job_ids, until_s - self._clock())
        finally:
            self._lock.release()

    def _begin(self, job_ids: Sequence[str], within_s: float) -> Opened:
        """Open the shared stream; what has just failed for somebody has failed for all."""
        spared = self._attempts.spare(within_s, self._clock())
        if spared:
            return *spared, None
        answer, line, stream = self._transport.open(Send(request=http.events(None), within_s=within_s))
        if stream is None:
            self._attempts.note(answer, line, self._clock())
            return answer, line, None
        shared = _Shared(stream)
        mailbox = shared.join(job_ids)
        try:
            shared.start()
        except RuntimeError as error:
            _log.warning("events_not_begun", extra={"reason": str(error)})
            return http.Answer(is_passing=True), Line.DOWN, None
        self._shared = shared
        return answer, Line.BEHIND, mailbox


class _Shared:
    """One stream and the thread that hands on what it says. Leaving never blocks: the garbage collector may do it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._audience = Audience()
        self._leaving: deque[Mailbox] = deque()
        self._lock = threading.Lock()
        self.is_over = False
        self._thread = threading.Thread(target=self._run, name="dubq-events", daemon=True)

    def start(self) -> None:
        """Begin, once somebody has joined. Raises RuntimeError where no thread can be begun."""
        try:
            self._thread.start()
        except RuntimeError:
            self.is_over = True
            self._stream.leave()
            raise

    def join(self, job_ids: Sequence[str]) -> Mailbox | None:
        """Hear of these jobs from now on; None: it is over."""
        mailbox = Mailbox(job_ids, self._leaving.append)
        with self._lock:
            if self.is_over:
                return None
            self._audience.admit(mailbox)
        return mailbox

    def close(self) -> None:
        self._stream.leave()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self.is_over:
                self._hand_on(self._stream.take(TURN_S))
        finally:
            with self._lock:
                self.is_over = True
                self._audience.tell_all(Signal.LOST)
            self._stream.leave()

    def _hand_on(self, news: bytes | Signal | None) -> None:
        with self._lock:
            while self._leaving:
                self._audience.dismiss(self._leaving.popleft())
            if isinstance(news, bytes):
                self._audience.hear(news)
            elif news not in (None, Signal.LOST):
                self._audience.tell_all(news)
            self.is_over = news is Signal.LOST or self._audience.is_empty
