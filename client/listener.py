"""The line to Redis: one connection and one thread per client, and a mailbox for each wait.

The thread alone touches the socket. Everyone else leaves orders and is answered through a mailbox, without a lock, for
a wait may be given up by the garbage collector in the middle of anything. The thread lives as long as its connection:
when that is lost, every mailbox is told at once, and the next wait that asks gets a new connection and a new thread.
"""

import contextlib
import importlib.util
import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

_log = logging.getLogger(__name__)

PING_S: Final = 5.0
"""A line silent for so long is pinged, and lost if it stays silent as long again: a cut cable sends no FIN."""

IDLE_S: Final = 30.0
"""A line on which nobody waits hangs up after so long, give or take a ping: its client may never be closed."""

CONNECT_S: Final = 2.0
PACE_S: Final = 1.0
"""The least time between two attempts to connect, however many waits ask."""


class Signal(Enum):
    """What the line itself says into a mailbox."""

    UP = auto()  # the server has acknowledged the subscription
    LOST = auto()


News: TypeAlias = bytes | Signal


class Mailbox:
    """What one wait is told: Signal.UP, then messages, then perhaps Signal.LOST."""

    def __init__(self, channel: str, leave: Callable[["Mailbox"], None]) -> None:
        self.channel = channel.encode()
        self._leave = leave
        self._news: SimpleQueue[News] = SimpleQueue()

    def put(self, news: News) -> None:
        """Add to it."""
        self._news.put(news)

    def take(self, within_s: float) -> News | None:
        """Return the oldest news, or None if there is none `within_s`."""
        try:
            return self._news.get(timeout=max(0.0, within_s))
        except Empty:
            return None

    def leave(self) -> None:
        """Want no more news. Never blocks."""
        self._leave(self)


class Listener:
    """Brings the line up when it is asked to, at a bearable pace, and shares it among all waits of a client."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._may_connect_s = -float("inf")
        self._is_closed = False

    def join(self, redis_url: str, channel: str, within_s: float) -> Mailbox | None:
        """Subscribe, and return the mailbox once the server has acknowledged it; None if that fails `within_s`."""
        line = self._live_line(redis_url)
        if line is None:
            return None
        mailbox = line.join(channel)
        if mailbox.take(within_s) is Signal.UP:
            return mailbox
        mailbox.leave()
        return None

    def close(self) -> None:
        """Hang up; the thread has ended when this returns."""
        with self._lock:
            self._is_closed = True
            line, self._line = self._line, None
        if line:
            line.close()

    def _live_line(self, redis_url: str) -> "_Line | None":
        with self._lock:
            if self._line and self._line.is_alive():
                return self._line
            if self._is_closed or self._clock() < self._may_connect_s:
                return None
            self._may_connect_s = self._clock() + PACE_S
            try:
                self._line = _Line(_connection(redis_url), self._clock)
            except (OSError, RuntimeError) as error:  # out of descriptors, or of threads
                _log.warning("redis_line_not_begun", extra={"reason": str(error)})
                return None
            return self._line


def has_redis() -> bool:
    """Whether the redis package, which pushing needs, is installed."""
    return importlib.util.find_spec("redis") is not None


def _connection(redis_url: str) -> Any:
    """Make a connection that tries once, answers soon, and speaks the protocol in which all news are plain lists.

    Raises ValueError for what is no address of a Redis. (Any: redis types its connections in part only.)
    """
    from redis import ConnectionPool  # noqa: PLC0415 - a client that polls needs no redis
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    pool = ConnectionPool.from_url(
        redis_url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=CONNECT_S,
        socket_connect_timeout=CONNECT_S,
        decode_responses=False,
    )
    try:
        return pool.make_connection()
    except TypeError as error:  # an option that there is not
        raise ValueError(str(error)) from error


@dataclass(slots=True)
class _Channel:
    is_up: bool = False
    mailboxes: set[Mailbox] = field(default_factory=set)


class _Line:
    """One connection's life."""

    def __init__(self, connection: Any, clock: Callable[[], float]) -> None:
        self._connection, self._clock = connection, clock
        self._joining: deque[Mailbox] = deque()
        self._leaving: deque[Mailbox] = deque()
        self._channels: dict[bytes, _Channel] = {}
        self._is_closing = self._is_over = False
        self._heard_s = self._pinged_s = clock()
        self._bell, self._ear = socket.socketpair()
        self._bell.settimeout(0.0)
        self._ear.settimeout(0.0)
        self._wanted_s = clock()
        self._thread = threading.Thread(target=self._run, name="dubq-listener", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._bell.close()
            self._ear.close()
            raise

    def is_alive(self) -> bool:
        return not self._is_over and self._thread.is_alive()

    def join(self, channel: str) -> Mailbox:
        mailbox = Mailbox(channel, self._leave)
        self._joining.append(mailbox)
        self._ring()
        if not self.is_alive():  # it may have ended without having seen the order
            mailbox.put(Signal.LOST)
        return mailbox

    def close(self) -> None:
        self._is_closing = True
        self._ring()
        self._thread.join()

    def _leave(self, mailbox: Mailbox) -> None:
        self._leaving.append(mailbox)
        self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: it is over
            self._bell.send(b"!")

    # From here on: the thread.

    def _run(self) -> None:
        from redis.exceptions import RedisError  # noqa: PLC0415

        try:
            self._connection.connect()
            self._listen()
        except (RedisError, OSError) as error:
            _log.info("redis_line_lost", extra={"reason": str(error)})
        except Exception:  # noqa: BLE001 - whoever waits is told below, whatever it was
            _log.exception("redis_line_failed")
        finally:
            self._end()

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._ear, selectors.EVENT_READ)
            selector.register(self._connection._sock, selectors.EVENT_READ)  # noqa: SLF001 - redis offers no way to wait for two things
            while not self._is_closing and not self._is_forsaken():
                self._carry_out_orders()
                if self._connection.can_read(timeout=0):
                    self._heard_s = self._clock()
                    self._dispatch(self._connection.read_response(disconnect_on_error=False))
                else:
                    selector.select(self._check_health())
                    self._empty_ear()

    def _is_forsaken(self) -> bool:
        if self._channels or self._joining:
            self._wanted_s = self._clock()
        return self._clock() - self._wanted_s >= IDLE_S

    def _carry_out_orders(self) -> None:
        while self._joining:
            self._admit(self._joining.popleft())
        while self._leaving:
            self._dismiss(self._leaving.popleft())

    def _admit(self, mailbox: Mailbox) -> None:
        channel = self._channels.get(mailbox.channel)
        if channel is None:
            channel = self._channels[mailbox.channel] = _Channel()
            self._connection.send_command("SUBSCRIBE", mailbox.channel, check_health=False)
        channel.mailboxes.add(mailbox)
        if channel.is_up:
            mailbox.put(Signal.UP)

    def _dismiss(self, mailbox: Mailbox) -> None:
        channel = self._channels.get(mailbox.channel)
        if channel:
            channel.mailboxes.discard(mailbox)
            self._drop_if_unused(mailbox.channel, channel)

    def _drop_if_unused(self, name: bytes, channel: _Channel) -> None:
        # not before its acknowledgement: that one must not be taken for the next subscription's
        if channel.is_up and not channel.mailboxes:
            del self._channels[name]
            self._connection.send_command("UNSUBSCRIBE", name, check_health=False)

    def _dispatch(self, response: Any) -> None:
        """Hand a message, or an acknowledgement, to all who wait for it; a pong has been news enough."""
        if not isinstance(response, list) or response[0] not in (b"message", b"subscribe"):
            return
        channel = self._channels.get(response[1])
        if channel is None:
            return  # everyone has left meanwhile
        if response[0] == b"message" and not channel.is_up:
            return  # sent to an earlier subscription, which has been given up
        news = response[2] if response[0] == b"message" else Signal.UP
        channel.is_up = True
        for mailbox in channel.mailboxes:
            mailbox.put(news)
        self._drop_if_unused(response[1], channel)

    def _check_health(self) -> float:
        """Ping a line that is silent; return for how many seconds to wait for a sign of life."""
        now_s = self._clock()
        awaits_pong = self._pinged_s > self._heard_s
        waited_s = now_s - (self._pinged_s if awaits_pong else self._heard_s)
        if waited_s < PING_S:
            return PING_S - waited_s
        if awaits_pong:
            raise TimeoutError("the ping was not answered")
        self._pinged_s = now_s
        self._connection.send_command("PING", check_health=False)
        return PING_S

    def _empty_ear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass

    def _end(self) -> None:
        self._is_over = True
        try:
            self._connection.disconnect()
        except Exception:  # noqa: BLE001 - it is over in any case
            _log.exception("redis_line_failed")
        finally:
            self._bell.close()
            self._ear.close()
            self._tell_lost()

    def _tell_lost(self) -> None:
        for channel in self._channels.values():
            for mailbox in channel.mailboxes:
                mailbox.put(Signal.LOST)
        while self._joining:
            self._joining.popleft().put(Signal.LOST)
