"""The line to Redis: one connection and one thread per client, and a mailbox for each wait.

The thread alone touches the socket. Everyone else leaves orders and is answered through a mailbox, without a lock, for
a wait may be given up by the garbage collector in the middle of anything. The thread lives as long as its connection:
when that is lost, every mailbox is told at once, and the next wait that asks gets a new connection and a new thread.
"""

import contextlib
import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from .switchboard import CONNECT_S, Command, News, Pace, Signal, Switchboard

_log = logging.getLogger(__name__)


class Mailbox:
    """What one wait is told, whichever thread it waits in."""

    def __init__(self, channels: Sequence[str], leave: Callable[["Mailbox"], None]) -> None:
        self.channels = tuple(each.encode() for each in channels)
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
        self._turn = threading.Condition()
        self._line: _Line | None = None
        self._pace = Pace()
        self._is_closed = False

    def join(self, redis_url: str, channels: Sequence[str], within_s: float, left_s: float = 0.0) -> Mailbox | None:
        """Subscribe, and return the mailbox once the server has acknowledged it; None if that fails.

        There has to be a line `within_s`. While that lives, the acknowledgement may take `left_s`, if that is more.
        Raises ValueError for what is no address of a Redis.
        """
        began_s = self._clock()
        line = self._live_line(redis_url, began_s + within_s)
        if line is None:
            return None
        mailbox = line.join(channels)
        if mailbox.take(began_s + max(within_s, left_s) - self._clock()) is Signal.UP:
            return mailbox
        mailbox.leave()
        return None

    def close(self) -> None:
        """Hang up; the thread has ended when this returns."""
        with self._turn:
            self._is_closed = True
            line, self._line = self._line, None
            self._turn.notify_all()
        if line:
            line.close()

    def _live_line(self, redis_url: str, until_s: float) -> "_Line | None":
        """Return the line, begun anew if need be as soon as the pace allows it; None if there is none `until_s`."""
        with self._turn:
            while not (self._line and self._line.is_alive()):
                hold_s = 0.0 if self._is_closed else self._pace.hold_s(self._clock())
                if self._is_closed or self._clock() + hold_s >= until_s:
                    return None
                if hold_s:
                    self._turn.wait(hold_s)  # whoever's turn comes first begins it for all
                    continue
                try:
                    self._line = _Line(_connection(redis_url), self._clock)
                except (OSError, RuntimeError) as error:  # out of descriptors, or of threads
                    _log.warning("redis_line_not_begun", extra={"reason": str(error)})
                    return None
            return self._line


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


class _Line:
    """One connection's life."""

    def __init__(self, connection: Any, clock: Callable[[], float]) -> None:
        self._connection, self._clock = connection, clock
        self._joining: deque[Mailbox] = deque()
        self._leaving: deque[Mailbox] = deque()
        self._board = Switchboard(clock())
        self._is_closing = self._is_over = False
        self._bell, self._ear = socket.socketpair()
        self._bell.settimeout(0.0)
        self._ear.settimeout(0.0)
        self._thread = threading.Thread(target=self._run, name="dubq-listener", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._bell.close()
            self._ear.close()
            raise

    def is_alive(self) -> bool:
        return not self._is_over and self._thread.is_alive()

    def join(self, channels: Sequence[str]) -> Mailbox:
        mailbox = Mailbox(channels, self._leave)
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
            while not self._is_closing and (self._joining or not self._board.is_forsaken(self._clock())):
                self._carry_out_orders()
                if self._connection.can_read(timeout=0):
                    response = self._connection.read_response(disconnect_on_error=False)
                    self._send(self._board.hear(response, self._clock()))
                else:
                    selector.select(self._check_health())
                    self._empty_ear()

    def _carry_out_orders(self) -> None:
        while self._joining:
            self._send(self._board.admit(self._joining.popleft()))
        while self._leaving:
            self._send(self._board.dismiss(self._leaving.popleft()))

    def _send(self, commands: list[Command]) -> None:
        for command in commands:
            self._connection.send_command(*command, check_health=False)

    def _check_health(self) -> float:
        commands, patience_s = self._board.check_health(self._clock())
        self._send(commands)
        return patience_s

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
        self._board.lose()
        while self._joining:
            self._joining.popleft().put(Signal.LOST)
