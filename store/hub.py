"""The hub: one subscription of a whole process, fanned out to everyone in it who waits for news of a job."""

import queue
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import redis

from . import keys, standing
from .feed import News
from .standing import Stands

BOUND: Final = 100
"""So many news wait for a slow reader; then all are dropped, and it is told to look for itself."""
TOGETHER: Final = 500
"""Of so many jobs it is read at once where they stand; in between, others have their turn."""
TICK_S: Final = 1.0
SILENCE_S: Final = 5.0
"""A line that was silent for so long is asked whether it is still there; silent for twice as long, it is not."""
_CHANNELS: Final = keys.EVERY_CHANNEL.removesuffix("*")
_EVERY: Final = keys.channel("", "").encode()
"""Under this are those who wait for all jobs of all clients."""


class Signal(Enum):
    """What a waiter may be told instead of news."""

    SILENCE = "nothing came in time"
    LOOK = "something may have been missed: read again"
    END = "there will be no more: this process is about to end, or a token has"


Word: TypeAlias = News | Stands | Signal


class Waiter:
    """One reader's news, oldest first. Leaving the `with` block ends them."""

    __slots__ = ("_hub", "_key", "_news")

    def __init__(self, hub: "Hub", key: bytes) -> None:
        self._hub, self._key = hub, key
        # by the module's name: gevent has replaced the class in it
        self._news: queue.SimpleQueue[Word] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def next(self, within_s: float) -> Word:
        """Return what comes next, SILENCE if that is nothing `within_s`."""
        try:
            return self._news.get(timeout=max(0.0, within_s))
        except queue.Empty:
            return Signal.SILENCE

    def put(self, word: Word) -> None:
        """Add to what is told; never blocks, however slow the reader is. For the hub, which holds its lock."""
        if self._news.qsize() >= BOUND:
            self._drop()
            if word is not Signal.END:
                word = Signal.LOOK
        self._news.put(word)

    def leave(self) -> None:
        """Want no more news. May be said twice."""
        self._hub.leave(self, self._key)

    def _drop(self) -> None:
        try:
            while True:
                self._news.get_nowait()
        except queue.Empty:
            return


class Hub:
    """Knows who waits for what.

    A subscription feeds it all the time, not only while somebody waits. So whoever joins and then reads the job
    misses nothing; and whenever the subscription may have missed something, everyone is told what stands since.

    `is_fed` says whether it does so now; `heard` is called with all news that somebody waits for.
    """

    def __init__(self) -> None:
        self._admit: Callable[[str, int], object] = lambda _client_id, _count: None
        self._of_client: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._waiters: defaultdict[bytes, set[Waiter]] = defaultdict(set)
        self._count = 0
        self._is_closed = False
        self.is_fed = False
        self.heard: Callable[[News], object] = lambda _: None

    def guard(self, admit: Callable[[str, int], object]) -> None:
        """Have `admit` asked of each who joins: whose it is ("": of all), and how many are here with it.

        It raises for one that is too many.
        """
        self._admit = admit

    def join(self, client_id: str | None, job_id: str | None = None) -> Waiter:
        """Return a waiter for the news of one job, of all jobs of a client, or of all jobs that there are (None).

        Read the job after this, not before. Raises what its guard raises.
        """
        client_id = client_id or ""
        key = keys.channel(client_id, job_id or "").encode()
        waiter = Waiter(self, key)
        with self._lock:
            self._waiters[key].add(waiter)
            self._count += 1
            self._of_client[client_id] += 1
            count = self._of_client[client_id]
            if self._is_closed:
                waiter.put(Signal.END)
        with ExitStack() as stack:
            stack.push(waiter)
            self._admit(client_id, count)
            stack.pop_all()
        return waiter

    def open_here(self) -> dict[str, int]:
        """Return how many waiters each client has."""
        with self._lock:
            return dict(self._of_client)

    def leave(self, waiter: Waiter, key: bytes) -> None:
        """Forget a waiter."""
        with self._lock:
            there = self._waiters[key]
            if waiter in there:
                self._count -= 1
                self._forget_one(key)
            there.discard(waiter)
            if not there:
                del self._waiters[key]

    def tell(self, channel: bytes, payload: bytes) -> None:
        """Hand on what was published. It is read once, and only if somebody waits for it."""
        of_all = channel[: channel.rindex(b":") + 1]
        with self._lock:
            there = [each for key in (channel, of_all, _EVERY) for each in self._waiters.get(key, ())]
            if not there or self._is_closed:
                return
            word = _word(payload)
            if isinstance(word, News):
                self.heard(word)
            for waiter in there:
                waiter.put(word)

    def waited_for(self) -> list[tuple[str, str]]:
        """Return what somebody waits for, each once: a job (client_id, job_id), or all of a client (client_id, "").

        ("", "") are all that there are.
        """
        with self._lock:
            found = [key.decode().removeprefix(_CHANNELS) for key in self._waiters]
        return [(client_id, job_id) for client_id, _, job_id in (each.partition(":") for each in found)]

    def tell_standing(self, client_id: str, job_id: str, stands: Stands | None) -> None:
        """Tell those who wait for this, after something may have been missed, where it stands; None: to look."""
        with self._lock:
            if not self._is_closed:
                for waiter in self._waiters.get(keys.channel(client_id, job_id).encode(), ()):
                    waiter.put(stands or Signal.LOOK)

    def expel(self, client_id: str) -> None:
        """Tell those who wait for a client's jobs that it is over: whoever may still come in comes back."""
        of_client = keys.channel(client_id, "").encode()
        with self._lock:
            for key, there in self._waiters.items():
                if key.startswith(of_client):
                    for waiter in there:
                        waiter.put(Signal.END)

    def close(self) -> None:
        """Tell everyone, and whoever joins from now on, that the process is about to end."""
        with self._lock:
            self._is_closed = True
            self._tell_all(Signal.END)

    @property
    def waiting(self) -> int:
        """How many waiters there are."""
        return self._count

    def _forget_one(self, key: bytes) -> None:
        client_id = key.decode().removeprefix(_CHANNELS).partition(":")[0]
        self._of_client[client_id] -= 1
        if not self._of_client[client_id]:
            del self._of_client[client_id]

    def _tell_all(self, signal: Signal) -> None:
        for there in self._waiters.values():
            for waiter in there:
                waiter.put(signal)


def listen(
    connection: redis.Redis,
    hub: Hub,
    is_over: Callable[[], bool],
    *,
    forget: Callable[[], object] = lambda: None,
    tick_s: float = TICK_S,
    clock: Callable[[], float] = monotonic,
) -> None:
    """Feed the hub from one subscription until `is_over`, which is asked every `tick_s` at least.

    `forget` is called when a token has ended, and when that may have been missed.

    Raises redis.RedisError when the line breaks, also if it does so without a word.
    """
    with connection.pubsub() as line:  # type: ignore[no-untyped-call]  # redis has types for most of it only
        line.psubscribe(keys.EVERY_CHANNEL)
        heard_s, is_asked = clock(), False
        while not is_over():
            message: dict[str, Any] | None = line.get_message(timeout=tick_s)
            silent_s = clock() - heard_s
            if message is not None:
                heard_s, is_asked = clock(), False
                _hear(connection, hub, message, forget)
            elif silent_s > 2 * SILENCE_S:
                raise redis.ConnectionError(f"the line was silent for {silent_s:.0f} s")
            elif silent_s > SILENCE_S and not is_asked:
                line.ping()
                is_asked = True


def _hear(connection: redis.Redis, hub: Hub, message: dict[str, Any], forget: Callable[[], object]) -> None:
    if message["type"] == "pmessage":
        client_id, _, job_id = message["channel"].removeprefix(_CHANNELS.encode()).partition(b":")
        if job_id:
            hub.tell(message["channel"], message["data"])
        else:
            forget()
            hub.expel(client_id.decode())
    elif message["type"] == "psubscribe":  # from here on nothing is missed; what was before may have been
        hub.is_fed = True
        forget()
        _catch_up(connection, hub)


def _catch_up(connection: redis.Redis, hub: Hub) -> None:
    """Tell everyone where stands what they wait for. Raises redis.RedisError: then the line has to begin anew."""
    waited = hub.waited_for()
    for at in range(0, len(waited), TOGETHER):
        some = waited[at : at + TOGETHER]
        for (client_id, job_id), stands in zip(some, standing.read(connection, some), strict=True):
            hub.tell_standing(client_id, job_id, stands)
        sleep(0)


def _word(payload: bytes) -> Word:
    try:
        return News.heard(payload)
    except (KeyError, TypeError, ValueError):  # no change that we know how to tell: let them read for themselves
        return Signal.LOOK
