"""One stream of server-sent events and the thread that reads it: what a wait is told by it.

It ends with its connection, and a wait that still wants to be told opens another one.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

import requests
from urllib3.exceptions import HTTPError

from .pulse import Beat, Pulse
from .sse import Parser
from .switchboard import Said, Signal

_log = logging.getLogger(__name__)

LONGEST_PING_S: Final = 15.0
"""The service says something at least once in so many seconds, and more often if it says so."""


class Stream:
    """Reads from its start on; `at_end` is called with it when it has ended, in whichever thread that is."""

    def __init__(
        self, response: requests.Response, at_end: Callable[["Stream"], None], clock: Callable[[], float]
    ) -> None:
        """`response` is the head of a stream."""
        self._response, self._at_end, self._clock = response, at_end, clock
        self._pulse = Pulse(clock(), LONGEST_PING_S)
        self._has_begun, self._has_spoken = threading.Event(), False
        self._news: SimpleQueue[Said] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dubq-stream", daemon=True)

    def start(self) -> None:
        """Begin to read. Raises RuntimeError where no thread can be begun."""
        self._thread.start()

    def begins(self, within_s: float) -> bool:
        """Whether it says something `within_s`: the service does at once, unless somebody in between collects it."""
        self._has_begun.wait(max(0.0, within_s))
        return self._has_spoken

    def take(self, within_s: float) -> Said | None:
        """Return the oldest news, or None if there is none `within_s`."""
        until_s = self._clock() + within_s
        while True:
            now_s = self._clock()
            try:
                return self._news.get(timeout=max(0.0, min(until_s, self._pulse.due_s()) - now_s))
            except Empty:
                beat = self._pulse.feel(self._clock())
            if beat is not Beat.STEADY:
                return Signal.LOST if beat is Beat.LOST else Signal.QUIET
            if self._clock() >= until_s:
                return None

    def leave(self) -> None:
        """Want no more news; the thread has ended when this returns."""
        with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has ended by itself
            self._response.raw.shutdown()
        if self._thread is not threading.current_thread():  # which the garbage collector may have picked
            self._thread.join()

    def _run(self) -> None:
        parser = Parser(LONGEST_PING_S)
        try:
            while some := self._response.raw.read1(decode_content=True):
                for payload in parser.feed(some):
                    self._news.put(payload)
                self._has_spoken = True
                self._has_begun.set()
                self._pulse.every_s = parser.ping_s
                self._pulse.hear(self._clock())
        except (HTTPError, OSError, ValueError) as error:
            _log.info("stream_lost", extra={"reason": str(error)})
        finally:
            self._has_begun.set()
            self._response.close()
            self._at_end(self)
            self._news.put(Signal.LOST)
