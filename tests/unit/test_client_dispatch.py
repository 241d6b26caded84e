"""Looks that go together over a transport that fails in ways that are none of dubq's."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from service import eventually
from worlds import COMPLETED, look

from client.aio_dispatch import AsyncDispatch
from client.dispatch import Dispatch
from client.http import Answer, Kind
from client.looks import MOST_LOOKS

if TYPE_CHECKING:
    from client.steps import Send

CROWD = 4 * MOST_LOOKS


class BrokenError(Exception):
    """A hook of the caller's own session has raised this."""


class Mood:
    """What a transport does: it fails whatever goes together, until it is mended."""

    is_mended = False

    def answer(self, step: Send[Any]) -> Answer[Any]:
        is_bulk = step.request.kind is Kind.READ_MANY
        if is_bulk and not self.is_mended:
            raise BrokenError
        return Answer(value=(COMPLETED,) if is_bulk else COMPLETED)


class Transport(Mood):
    """Answers once it may."""

    def __init__(self) -> None:
        self.may_go = threading.Event()

    def send(self, step: Send[Any]) -> Answer[Any]:
        self.may_go.wait(10)
        return self.answer(step)


class AsyncTransport(Mood):
    def __init__(self) -> None:
        self.may_go = asyncio.Event()

    async def send(self, step: Send[Any]) -> Answer[Any]:
        await self.may_go.wait()
        return self.answer(step)


def outcome(dispatch: Dispatch) -> Any:
    try:
        return dispatch.send(look("j1", 10.0).step).value
    except BrokenError as error:
        return error


def test_what_is_none_of_ours_is_raised_to_each_wait_and_takes_nobody_s_turn() -> None:
    transport = Transport()
    dispatch = Dispatch(transport)  # type: ignore[arg-type]
    with ThreadPoolExecutor(CROWD) as pool:
        asked = [pool.submit(outcome, dispatch) for _ in range(CROWD)]
        eventually(lambda: len(dispatch._turns._waiting) == CROWD - MOST_LOOKS, 10)
        transport.may_go.set()
        found = [each.result(10) for each in asked]
        assert sum(isinstance(each, BrokenError) for each in found) == CROWD - MOST_LOOKS
        transport.is_mended = True
        assert {each.job_id for each in pool.map(lambda _: outcome(dispatch), range(CROWD))} == {"j1"}
    dispatch.close()
    assert not [each for each in threading.enumerate() if each.name == "dubq-looks"]


def test_closing_lets_those_go_who_still_wait_for_their_turn() -> None:
    transport = Transport()
    dispatch = Dispatch(transport)  # type: ignore[arg-type]
    with ThreadPoolExecutor(CROWD) as pool:
        asked = [pool.submit(outcome, dispatch) for _ in range(CROWD)]
        eventually(lambda: len(dispatch._turns._waiting) == CROWD - MOST_LOOKS, 10)
        dispatch.close()
        transport.may_go.set()
        found = [each.result(5) for each in asked]
    assert found.count(None) == CROWD - MOST_LOOKS


def test_the_same_awaited() -> None:
    async def scene() -> None:
        transport = AsyncTransport()
        dispatch = AsyncDispatch(transport)  # type: ignore[arg-type]
        asked = [asyncio.create_task(dispatch.send(look("j1", 10.0).step)) for _ in range(CROWD)]
        await asyncio.sleep(0)
        transport.may_go.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(each, BrokenError) for each in found) == CROWD - MOST_LOOKS
        transport.is_mended = True
        again = await asyncio.gather(*(dispatch.send(look("j1", 10.0).step) for _ in range(CROWD)))
        assert all(each.value == COMPLETED for each in again)
        await dispatch.close()

    asyncio.run(scene())
