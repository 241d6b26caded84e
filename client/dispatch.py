"""Where the requests of all waits of a blocking client come by: looks share requests, and few answers are held."""

import logging
import threading
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from . import http
from .http import Kind
from .looks import MOST_HELD, Turns, can_share, late, no_room, parts, together
from .steps import Send
from .transport import Transport

_log = logging.getLogger(__name__)

T = TypeVar("T")


class _Look:
    def __init__(self, step: Send[Any]) -> None:
        self.step = step
        self.answers: SimpleQueue[http.Answer[Any] | Exception] = SimpleQueue()


class Dispatch:
    """Sends at once what is alone. What goes together is sent by a thread of its own, for nobody waits for others."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._turns = Turns[_Look]()
        self._held = threading.BoundedSemaphore(MOST_HELD)
        self._senders: set[threading.Thread] = set()
        self._is_closed = False

    def send(self, step: Send[T]) -> http.Answer[T]:
        """Send a request of a wait, as `Transport.send` does."""
        if step.request.kind is Kind.LONG_POLL:
            return self._hold(step)
        return self._look(step) if can_share(step.request) else self._transport.send(step)

    def close(self) -> None:
        """Send nothing more, and wait for what is under way."""
        with self._lock:
            self._is_closed = True
            waiting, senders = self._turns.clear(), list(self._senders)
        for look in waiting:
            look.answers.put(http.Answer(is_passing=True))
        for sender in senders:
            sender.join()

    def _hold(self, step: Send[T]) -> http.Answer[T]:
        if not self._held.acquire(blocking=False):
            return no_room()
        try:
            return self._transport.send(step)
        finally:
            self._held.release()

    def _look(self, step: Send[T]) -> http.Answer[T]:
        look = _Look(step)
        with self._lock:
            is_alone = self._turns.begin()
            if not is_alone:
                self._turns.wait(look)
        if not is_alone:
            return self._await(look)
        try:
            return self._transport.send(step)
        finally:
            self._go_on()

    def _await(self, look: _Look) -> http.Answer[Any]:
        try:
            answer = look.answers.get(timeout=max(0.0, look.step.within_s))
        except Empty:
            return late(look.step)
        finally:
            with self._lock:
                self._turns.leave(look)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _go_on(self) -> None:
        looks = self._next()
        if not looks:
            return
        sender = threading.Thread(target=self._run, args=(looks,), name="dubq-looks", daemon=True)
        with self._lock:
            self._senders.add(sender)
        try:
            sender.start()
        except RuntimeError as error:  # out of threads: then it is this one's
            _log.warning("looks_without_a_thread", extra={"reason": str(error)})
            with self._lock:
                self._senders.discard(sender)
            self._send(looks)

    def _run(self, looks: list[_Look]) -> None:
        try:
            self._send(looks)
        finally:
            with self._lock:
                self._senders.discard(threading.current_thread())

    def _next(self) -> list[_Look]:
        with self._lock:
            return self._turns.end()

    def _send(self, looks: list[_Look]) -> None:
        while looks:
            steps = [look.step for look in looks]
            try:
                answers: list[Any] = list(parts(self._transport.send(together(steps)), steps))
            except Exception as error:  # noqa: BLE001 - an address that cannot be used, or a session's own: each wait raises it
                answers = [error] * len(looks)
            for look, answer in zip(looks, answers, strict=True):
                look.answers.put(answer)
            looks = self._next()
