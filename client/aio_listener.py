"""The line to Redis of an asynchronous client: one connection and one task, and a mailbox for each wait.

The task lives as long as its connection: when that is lost, every mailbox is told at once, and the next wait that asks
gets a new connection and a new task. Joining and leaving never await, so that a cancelled wait can always leave.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from .switchboard import CONNECT_S, Command, News, Pace, Signal, Switchboard

_log = logging.getLogger(__name__)


class AsyncMailbox:
    """What one wait is told."""

    def __init__(self, channels: Sequence[str], leave: Callable[["AsyncMailbox"], None]) -> None:
        self.channels = tuple(each.encode() for each in channels)
        self._leave = leave
        self._news: asyncio.Queue[News] = asyncio.Queue()

    def put(self, news: News) -> None:
        """Add to it."""
        self._news.put_nowait(news)

    async def take(self, within_s: float) -> News | None:
        """Return the oldest news, or None if there is none `within_s`."""
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                return await self._news.get()
        except TimeoutError:
            return None

    def leave(self) -> None:
        """Want no more news."""
        self._leave(self)


class AsyncListener:
    """Brings the line up when it is asked to, at a bearable pace, and shares it among all waits of a client."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._line: _Line | None = None
        self._pace = Pace()
        self._is_closed = False

    async def join(
        self, redis_url: str, channels: Sequence[str], within_s: float, left_s: float = 0.0
    ) -> AsyncMailbox | None:
        """Subscribe, and return the mailbox once the server has acknowledged it; None if that fails.

        There has to be a line `within_s`. While that lives, the acknowledgement may take `left_s`, if that is more.
        Raises ValueError for what is no address of a Redis.
        """
        began_s = self._clock()
        line = await self._live_line(redis_url, began_s + within_s)
        if line is None:
            return None
        mailbox = line.join(channels)
        try:
            signal = await mailbox.take(began_s + max(within_s, left_s) - self._clock())
        except BaseException:  # a cancelled wait leaves nothing behind
            mailbox.leave()
            raise
        if signal is Signal.UP:
            return mailbox
        mailbox.leave()
        return None

    async def close(self) -> None:
        """Hang up; the task has ended when this returns."""
        self._is_closed = True
        line, self._line = self._line, None
        if line:
            await line.close()

    async def _live_line(self, redis_url: str, until_s: float) -> "_Line | None":
        """Return the line, begun anew if need be as soon as the pace allows it; None if there is none `until_s`."""
        while not (self._line and self._line.is_alive()):
            hold_s = 0.0 if self._is_closed else self._pace.hold_s(self._clock())
            if self._is_closed or self._clock() + hold_s >= until_s:
                return None
            if hold_s:
                await asyncio.sleep(hold_s)  # whoever's turn comes first begins it for all
                continue
            try:
                self._line = _Line(_connection(redis_url), self._clock)
            except (OSError, RuntimeError) as error:
                _log.warning("redis_line_not_begun", extra={"reason": str(error)})
                return None
        return self._line


def _connection(redis_url: str) -> Any:
    """Make a connection that tries once, and speaks the protocol in which all news are plain lists.

    Raises ValueError for what is no address of a Redis. (Any: redis types its connections in part only.)
    """
    from redis.asyncio import ConnectionPool  # noqa: PLC0415 - a client that polls needs no redis
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    pool: Any = ConnectionPool.from_url(
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
        self._board = Switchboard(clock())
        self._commands: asyncio.Queue[Command] = asyncio.Queue()
        self._is_over = self._is_closing = False
        self._task = asyncio.create_task(self._run(), name="dubq-listener")

    def is_alive(self) -> bool:
        return not self._is_over and not self._task.done()

    def join(self, channels: Sequence[str]) -> AsyncMailbox:
        mailbox = AsyncMailbox(channels, self._leave)
        self._order(self._board.admit(mailbox))
        return mailbox

    async def close(self) -> None:
        self._is_closing = True  # for whoever is just sending may not notice that he is cancelled
        self._task.cancel()
        await asyncio.wait([self._task])
        self._end()  # if it was cancelled before it had begun

    def _leave(self, mailbox: AsyncMailbox) -> None:
        self._order(self._board.dismiss(mailbox))

    def _order(self, commands: list[Command]) -> None:
        for command in commands:
            self._commands.put_nowait(command)

    # From here on: the task.

    async def _run(self) -> None:
        from redis.exceptions import RedisError  # noqa: PLC0415

        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connection.connect()
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(self._hear(), name="dubq-listener-hears")
                group.create_task(self._speak(hearing), name="dubq-listener-speaks")
        except* (RedisError, OSError) as errors:
            _log.info("redis_line_lost", extra={"reason": str(errors.exceptions[0])})
        except* Exception:  # noqa: BLE001 - whoever waits is told below, whatever it was
            _log.exception("redis_line_failed")
        finally:
            self._end()
            await self._hang_up()

    async def _hear(self) -> None:
        while True:
            response = await self._connection.read_response(timeout=math.inf, disconnect_on_error=False)
            self._order(self._board.hear(response, self._clock()))

    async def _speak(self, hearing: asyncio.Task[None]) -> None:
        while not self._is_closing and not self._board.is_forsaken(self._clock()):
            pings, patience_s = self._board.check_health(self._clock())
            self._order(pings)
            try:
                async with asyncio.timeout(patience_s):
                    commands = [await self._commands.get()]
            except TimeoutError:
                continue
            while not self._commands.empty():
                commands.append(self._commands.get_nowait())
            # at once: where thousands subscribe in one moment, a write for each takes longer than they have
            await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        self._end()  # before anything is awaited: whoever comes now needs a new line
        hearing.cancel()

    async def _hang_up(self) -> None:
        try:
            await self._connection.disconnect(nowait=True)
        except Exception:  # noqa: BLE001 - it is over in any case
            _log.exception("redis_line_failed")

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._board.lose()
