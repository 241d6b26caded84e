"""What only the asynchronous client has to promise: cancelling, closing, awaitable listeners."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from client import AsyncTranslationClient, ClientClosedError, http
from client.aio_driver import AsyncMeans, AsyncWay, finish, run, told
from client.aio_listener import _Line
from client.memory import Memory
from client.metrics import Metrics
from client.patience import Push
from client.switchboard import Signal
from client.waiting import Terms, wait
from contract.job import Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from client.steps import Send
    from client.switchboard import News

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def job(state: State, seq: int) -> Job:
    return Job(
        job_id="j1",
        client_id="acme",
        state=state,
        seq=seq,
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=BEGAN,
    )


class Line:
    """A service that says "running", and a line that is silent."""

    def __init__(self) -> None:
        self.joined, self.has_left, self.left = asyncio.Event(), asyncio.Event(), 0

    async def send(self, step: Send[Any]) -> http.Answer[Any]:
        if step.request.path == "/connect":
            return http.Answer(value=http.Roads(client_id="acme", redis_url="redis://r"))
        return http.Answer(value=job(State.RUNNING, 2))

    async def join(self, _url: str, _channels: Sequence[str], _within_s: float, _left_s: float) -> Line:
        return self

    async def take(self, _within_s: float) -> News | None:
        self.joined.set()
        await asyncio.Event().wait()
        raise AssertionError

    def leave(self) -> None:
        self.left += 1
        self.has_left.set()

    def means(self) -> AsyncMeans:
        return AsyncMeans(
            dispatch=self,  # type: ignore[arg-type]
            events=self,  # type: ignore[arg-type]
            listener=self,  # type: ignore[arg-type]
            way=AsyncWay(None, self, asyncio.get_running_loop().time),  # type: ignore[arg-type]
            metrics=Metrics(),
            memory=Memory(),
            closed=asyncio.Event(),
            clock=asyncio.get_running_loop().time,
            now=lambda: BEGAN,
            pause=asyncio.sleep,
        )

    def wait(self) -> Any:
        plan = wait(Terms(job_id="j1", push=Push.ALWAYS), asyncio.get_running_loop().time(), lambda: 0.5)
        return run(plan, self.means(), ["j1"])


def test_a_cancelled_wait_leaves_its_subscription() -> None:
    async def scene() -> None:
        line = Line()
        waiting = asyncio.create_task(finish(line.wait(), None))
        await line.joined.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert line.left == 1
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scene())


def test_a_wait_that_the_caller_gives_up_in_time_leaves_its_subscription() -> None:
    async def scene() -> None:
        line = Line()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await finish(line.wait(), None)
        assert line.left == 1

    asyncio.run(scene())


def test_events_that_are_left_early_leave_their_subscription() -> None:
    async def scene() -> None:
        line = Line()
        news = told(line.wait())
        assert (await anext(news)).state is State.RUNNING
        await news.aclose()
        assert line.left == 1

    asyncio.run(scene())


def test_events_that_the_garbage_collector_ends_leave_their_subscription() -> None:
    async def scene() -> None:
        line = Line()
        news = told(line.wait())
        await anext(news)
        del news
        gc.collect()
        await line.has_left.wait()  # the loop closes it in a turn of its own

    asyncio.run(scene())


def test_a_listener_of_updates_may_be_awaitable() -> None:
    heard: list[int] = []

    async def hear(news: Job) -> None:
        await asyncio.sleep(0)
        heard.append(news.seq)
        raise LookupError

    async def scene() -> None:
        line = Line()
        with pytest.raises(LookupError):
            await finish(line.wait(), hear)
        assert (heard, line.left) == ([2], 1)

    asyncio.run(scene())


def test_a_client_that_was_never_used_can_be_made_and_closed_anywhere() -> None:
    client = AsyncTranslationClient()

    async def scene() -> None:
        async with client:
            pass
        with pytest.raises(ClientClosedError):
            await client.get_status("j1")

    asyncio.run(scene())


class Connection:
    """A connection to Redis that says what the test puts into it."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.breaks_off_badly = False

    async def connect(self) -> None:
        pass

    def say(self, *response: Any) -> None:
        self.said.put_nowait(list(response))

    async def read_response(self, *, timeout: float, disconnect_on_error: bool) -> list[Any]:  # noqa: ASYNC109
        assert timeout > 0
        assert not disconnect_on_error
        return await self.said.get()

    def pack_commands(self, commands: list[Any]) -> list[Any]:
        return commands

    async def send_packed_command(self, commands: list[Any], *, check_health: bool) -> None:
        assert not check_health
        for command in commands:
            self.sent.put_nowait(command)

    async def disconnect(self, *, nowait: bool) -> None:
        assert nowait
        if self.breaks_off_badly:
            raise OSError("even this has failed")


def test_a_message_of_an_earlier_subscription_is_no_acknowledgement() -> None:
    async def scene() -> None:
        connection = Connection()
        line = _Line(connection, asyncio.get_running_loop().time)
        mailbox = line.join(["c"])
        assert await connection.sent.get() == ("SUBSCRIBE", b"c")
        connection.say(b"subscribe", b"c", 1)
        assert await mailbox.take(5) is Signal.UP
        mailbox.leave()
        assert await connection.sent.get() == ("UNSUBSCRIBE", b"c")
        mailbox = line.join(["c"])
        assert await connection.sent.get() == ("SUBSCRIBE", b"c")
        connection.say(b"message", b"c", b"left over")
        connection.say(b"unsubscribe", b"c", 0)
        connection.say(b"subscribe", b"c", 1)
        assert await mailbox.take(5) is Signal.UP
        connection.say(b"message", b"c", b"news")
        assert await mailbox.take(5) == b"news"
        await line.close()

    asyncio.run(scene())


def test_the_loss_of_a_line_is_told_though_it_breaks_off_badly() -> None:
    async def scene() -> None:
        connection = Connection()
        line = _Line(connection, asyncio.get_running_loop().time)
        mailbox = line.join(["c"])
        await connection.sent.get()
        connection.breaks_off_badly = True
        await line.close()
        assert await mailbox.take(5) is Signal.LOST
        assert not line.is_alive()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scene())
