"""How often a silent stream says that it is there, on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from news import next_job, opened, submit

from api.stories import JobStory
from api.streams import ping_s, tell

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from store.hub import Hub


def test_silence_is_filled_with_comments(web: FlaskClient) -> None:
    submit(web)
    with opened(web, "/jobs/j1/events") as blocks:
        next_job(iter([next(blocks), next(blocks)][1:]))
        assert [next(blocks), next(blocks)] == [": ping 0.05", ": ping 0.05"]


@pytest.mark.parametrize(
    ("readers", "pause_s"), [(0, 1), (1, 1), (500, 1), (501, 2), (5000, 10), (7500, 15), (100_000, 15)]
)
def test_the_fewer_readers_there_are_the_sooner_each_hears_that_its_line_is_there(readers: int, pause_s: float) -> None:
    assert ping_s(readers) == pause_s


def test_the_pace_that_was_said_last_is_kept_until_the_next_is_said(web: FlaskClient, hub: Hub) -> None:
    submit(web)
    paces = iter([0.01, 0.02, 0.03])
    with hub.join("default", "j1") as waiter:
        told = tell(waiter, JobStory(lambda: pytest.fail("no look"), 1, is_over=False), b"\n", pace=lambda: next(paces))
        assert [next(told) for _ in range(3)] == [b": ping 0.01\n\n", b": ping 0.02\n\n", b": ping 0.03\n\n"]
