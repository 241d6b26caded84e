"""A line that a test can break: a TCP proxy on loopback in front of one server.

It lives in an event loop: that of the test, or that of `Lines` (tests/lines.py), which has a thread of its own. What
breaks a line may be called from any thread, and has happened when it returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import socket
import struct
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from pushes import Mishaps, Pushes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")
Side = Literal["client", "server"]

OVERTAKEN_WITHIN_S = 0.1
"""For so long a message waits to be overtaken; the last one of all would wait for ever."""


def in_its_loop(method: Callable[P, T]) -> Callable[P, T]:
    """Let a proxy's method be called from any thread."""

    @functools.wraps(method)
    def call(*args: P.args, **options: P.kwargs) -> T:
        loop = args[0].loop

        async def carry_out() -> T:
            return method(*args, **options)

        if asyncio._get_running_loop() is loop:
            return method(*args, **options)
        return asyncio.run_coroutine_threadsafe(carry_out(), loop).result()

    return call


class Proxy:
    """Hands on bytes between clients and one server until it is told to do worse. Made within its running loop."""

    def __init__(
        self, target: int | Path, *, mishaps: Mishaps | None = None, chance: Callable[[], float] = random.random
    ) -> None:
        """`target` is a port of this machine, or the path of a Unix socket.

        `mishaps` are for Redis alone: what happens to the messages that it pushes.
        """
        self.loop = asyncio.get_running_loop()
        self.visits: list[float] = []  # when each client was let in, by the loop's clock: time.monotonic
        self._target, self._mishaps, self._chance = target, mishaps, chance
        self._pairs: set[_Pair] = set()
        self.beginning: set[asyncio.Task[None]] = set()  # those that are just being let in
        self._is_moving = asyncio.Event()
        self._is_moving.set()
        self._door: socket.socket | None = None
        self._reserved = _bound(0)  # it never listens, and keeps the port ours while the door is shut
        self.port = int(self._reserved.getsockname()[1])
        self.accept()

    @property
    def connections(self) -> int:
        """How many there are, the forgotten ones included."""
        return len(self._pairs)

    @in_its_loop
    def accept(self) -> None:
        """Let clients connect again."""
        if self._door is None:
            self._door = _bound(self.port)
            self._door.listen(1024)
            self.loop.add_reader(self._door, self._let_in)

    @in_its_loop
    def refuse(self) -> None:
        """Refuse whoever wants to connect from now on."""
        if self._door is not None:
            self.loop.remove_reader(self._door)
            self._door.close()
            self._door = None

    @in_its_loop
    def pause(self) -> None:
        """Let all bytes wait, both ways; whoever connects now waits, too."""
        self._is_moving.clear()
        for pair in self._pairs:
            pair.pause()

    @in_its_loop
    def resume(self) -> None:
        """Let what has waited go on."""
        self._is_moving.set()
        for pair in self._pairs:
            pair.resume()

    @in_its_loop
    def cut(self) -> None:
        """Reset all connections, at both ends."""
        for task in self.beginning:
            task.cancel()
        for pair in list(self._pairs):
            pair.reset()

    @in_its_loop
    def half_close(self, toward: Side) -> None:
        """Send a FIN to one end of each connection; what is said from there is still handed on."""
        for pair in self._pairs:
            pair.end(toward).finish()

    @in_its_loop
    def blackhole(self) -> None:
        """Forget all connections: neither end is told, and nothing of what they say arrives. New ones work."""
        for pair in self._pairs:
            pair.is_forgotten = True

    @in_its_loop
    def close(self) -> None:
        """End everything; the sockets are closed a turn of the loop later."""
        self.refuse()
        self._reserved.close()
        self.cut()

    def _let_in(self) -> None:
        try:
            visitor, _ = self._door.accept()
        except OSError:  # it has gone again
            return
        self.visits.append(self.loop.time())
        visitor.settimeout(0.0)
        task = self.loop.create_task(self._join(visitor))
        self.beginning.add(task)
        task.add_done_callback(functools.partial(self._is_in, visitor))

    def _is_in(self, visitor: socket.socket, task: asyncio.Task[None]) -> None:
        self.beginning.discard(task)
        if task.cancelled() and visitor.fileno() >= 0:  # cut, perhaps before it had begun
            _reset(visitor)
            visitor.close()

    async def reach(self, end: Callable[[], asyncio.Protocol]) -> None:
        """Connect to the server. Raises OSError."""
        if isinstance(self._target, int):
            await self.loop.create_connection(end, "127.0.0.1", self._target)
        else:
            await self.loop.create_unix_connection(end, str(self._target))

    async def _join(self, visitor: socket.socket) -> None:
        pair = _Pair(self._pairs, Pushes(self._mishaps, self._chance) if self._mishaps else None)
        try:
            await self._is_moving.wait()
            await self.reach(lambda: pair.server)
            await self.loop.connect_accepted_socket(lambda: pair.client, visitor)
        except OSError:  # nobody is there
            pair.reset()
            _reset(visitor)
            visitor.close()
        except asyncio.CancelledError:
            pair.reset()
            raise
        if pair.is_lost:
            pair.reset()
        if not self._is_moving.is_set():
            pair.pause()


class _Pair:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, pairs: set[_Pair], pushes: Pushes | None) -> None:
        self.is_forgotten = False
        self.client, self.server = _End(self), _End(self, pushes)
        self.client.other, self.server.other = self.server, self.client
        self._pairs = pairs
        pairs.add(self)

    @property
    def is_lost(self) -> bool:
        """Whether an end has gone before the other one was there."""
        return len(self._open()) < len((self.client, self.server))

    def end(self, side: Side) -> _End:
        return self.client if side == "client" else self.server

    def pause(self) -> None:
        for end in self._open():
            end.transport.pause_reading()

    def resume(self) -> None:
        for end in self._open():
            end.transport.resume_reading()

    def reset(self) -> None:
        self._pairs.discard(self)
        for end in self._open():
            _reset(end.transport.get_extra_info("socket"))
            end.transport.abort()

    def ended(self) -> None:
        """One end has said all it had to say; once both have, it is over."""
        if self.client.has_ended and self.server.has_ended:
            self._pairs.discard(self)
            for end in self._open():
                end.transport.close()

    def _open(self) -> list[_End]:
        return [end for end in (self.client, self.server) if end.transport and not end.transport.is_closing()]


class _End(asyncio.Protocol):
    """One end of a connection: what comes in here goes out at the other."""

    other: _End

    def __init__(self, pair: _Pair, pushes: Pushes | None = None) -> None:
        self.transport: Any = None
        self.has_ended = False
        self._pair, self._pushes = pair, pushes
        self._early = b""
        self._is_finished = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send(self._early)
        if self.other.has_ended:
            self.finish()

    def data_received(self, data: bytes) -> None:
        if self._pair.is_forgotten:
            return
        if self._pushes is not None:
            data = self._pushes.feed(data)
            if self._pushes.holds:
                asyncio.get_running_loop().call_later(OVERTAKEN_WITHIN_S, self._let_go)
        self.other.send(data)

    def eof_received(self) -> bool:
        self.has_ended = True
        if not self._pair.is_forgotten:
            self.other.finish()
            self._pair.ended()
        return True  # it may still be told things

    def connection_lost(self, _: Exception | None) -> None:
        if not self._pair.is_forgotten:
            self._pair.reset()

    def send(self, data: bytes) -> None:
        if self.transport is None:
            self._early += data
        elif data and not self._is_finished and not self.transport.is_closing():
            self.transport.write(data)

    def finish(self) -> None:
        if self.transport and not self._is_finished and not self.transport.is_closing():
            self._is_finished = True
            with contextlib.suppress(OSError):  # he has just left, and is yet to be heard leaving
                self.transport.write_eof()

    def _let_go(self) -> None:
        held = self._pushes.let_go()
        if not self._pair.is_forgotten:
            self.other.send(held)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.settimeout(0.0)
    bound.bind(("127.0.0.1", port))
    return bound


def _reset(sock: Any) -> None:
    """Let the socket's closing be a RST instead of a FIN; to a Unix socket it is all one."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
