"""What becomes of webhooks that come: each id is handled once, and events wait to be taken. For threads, no I/O."""

import threading
from collections import deque
from enum import Enum, auto
from typing import Generic, TypeVar

T = TypeVar("T")


class Turn(Enum):
    """Whose it is to handle a delivery."""

    YOURS = auto()
    ANOTHERS = auto()  # somebody is at it just now
    PAST = auto()  # it has been handled


class Once:
    """Lets each id be handled once: not twice at a time, and not again once it went well.

    Remembers the newest `kept` ids that went well; older ones are forgotten.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._done: dict[str, None] = {}  # in the order in which they ended

    def begin(self, webhook_id: str) -> Turn:
        """Say whose turn it is; whoever gets YOURS has to call `end`."""
        with self._lock:
            if webhook_id in self._done:
                return Turn.PAST
            if webhook_id in self._under_way:
                return Turn.ANOTHERS
            self._under_way.add(webhook_id)
            return Turn.YOURS

    def end(self, webhook_id: str, *, is_done: bool) -> None:
        """Tell how it went; unless it is done, the next delivery of this id has its turn."""
        with self._lock:
            self._under_way.discard(webhook_id)
            if is_done:
                self._done[webhook_id] = None
                if len(self._done) > self._kept:
                    del self._done[next(iter(self._done))]


class Inbox(Generic[T]):
    """What waits to be taken, up to `room` of them: then one more is refused, or if it `forgets`, the oldest goes."""

    def __init__(self, room: int, *, forgets: bool) -> None:
        self._room, self._forgets = room, forgets
        self._items: deque[T] = deque(maxlen=room)
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, item: T) -> bool:
        """Add something; return False if there is no room."""
        with self._changed:
            if len(self._items) == self._room and not self._forgets:
                return False
            self._items.append(item)
            self._changed.notify()
            return True

    def take(self, timeout_s: float | None) -> T | None:
        """Return the oldest as soon as there is one; None once it is closed and empty.

        Raises TimeoutError if there is none within `timeout_s`.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._is_closed, timeout_s):
                raise TimeoutError
            return self._items.popleft() if self._items else None

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
