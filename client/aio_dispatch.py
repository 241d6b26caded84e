"""Where the requests of all waits of an asynchronous client come by: looks share requests, and few answers are held."""

import asyncio
from typing import Any, TypeVar

from . import http
from .aio_transport import AsyncTransport
from .http import Kind
from .looks import MOST_HELD, Turns, can_share, late, no_room, parts, together
from .steps import Send

T = TypeVar("T")


class _Look:
    def __init__(self, step: Send[Any]) -> None:
        self.step = step
        self.answer: asyncio.Future[http.Answer[Any]] = asyncio.get_running_loop().create_future()

    def take(self, answer: http.Answer[Any]) -> None:
        if not self.answer.done():  # its time may be over
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class AsyncDispatch:
    """Sends at once what is alone. What goes together is sent by a task of its own, for any wait may be cancelled."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._turns = Turns[_Look]()
        self._held = 0
        self._senders: set[asyncio.Task[None]] = set()

    async def send(self, step: Send[T]) -> http.Answer[T]:
        """Send a request of a wait, as `AsyncTransport.send` does."""
        if step.request.kind is Kind.LONG_POLL:
            return await self._hold(step)
        return await (self._look(step) if can_share(step.request) else self._transport.send(step))

    async def close(self) -> None:
        """Send nothing more, and wait for what is under way."""
        for look in self._turns.clear():
            look.take(http.Answer(is_passing=True))
        while self._senders:
            await asyncio.wait(self._senders)

    async def _hold(self, step: Send[T]) -> http.Answer[T]:
        if self._held >= MOST_HELD:
            return no_room()
        self._held += 1
        try:
            return await self._transport.send(step)
        finally:
            self._held -= 1

    async def _look(self, step: Send[T]) -> http.Answer[T]:
        if self._turns.begin():
            try:
                return await self._transport.send(step)
            finally:
                self._go_on()
        look = _Look(step)
        self._turns.wait(look)
        try:
            async with asyncio.timeout(step.within_s):
                return await look.answer
        except TimeoutError:
            return late(step)
        finally:
            self._turns.leave(look)

    def _go_on(self) -> None:
        looks = self._next()
        if looks:
            sender = asyncio.create_task(self._send(looks), name="dubq-looks")
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)

    def _next(self) -> list[_Look]:
        """Return those whose turn it is now that one is back, save those whose wait is just being cancelled."""
        while looks := self._turns.end():
            if wanted := [look for look in looks if not look.answer.done()]:
                return wanted
        return []

    async def _send(self, looks: list[_Look]) -> None:
        while looks:
            steps = [look.step for look in looks]
            try:
                answers = parts(await self._transport.send(together(steps)), steps)
            except Exception as error:  # noqa: BLE001 - an address that cannot be used, or a session's own: each wait raises it
                for look in looks:
                    look.fail(error)
            else:
                for look, answer in zip(looks, answers, strict=True):
                    look.take(answer)
            looks = self._next()
