"""Answers that are held back until there is news, on fakeredis and on a real Valkey."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from given import a_job
from listening import listening
from news import OUTPUT, held, start, submit
from service import eventually

from api.waits import hold
from store.hub import Signal

if TYPE_CHECKING:
    import redis
    from flask.testing import FlaskClient

    from store.hub import Hub
    from store.runs import RunStore


def test_a_long_poll_is_answered_with_the_first_news(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore
) -> None:
    submit(web)
    with listening(connection, hub), ThreadPoolExecutor() as pool:
        waits = [pool.submit(held, web, "wait=30"), pool.submit(held, web, "wait=30", If_None_Match='"1"')]
        eventually(lambda: hub.waiting == 2, 5)
        run = start(runs)
        answers = [each.result() for each in waits]
        assert [(each.status_code, each.get_json()["seq"]) for each in answers] == [(200, 2), (200, 2)]
        assert answers[0].headers["Preference-Applied"] == "wait=30"
        until = pool.submit(held, web, "wait=30; until=done", If_None_Match='"1"')
        eventually(lambda: hub.waiting == 1, 5)
        run.advance("fetch", 0.5)
        run.advance("voice", 0.7)
        run.complete(OUTPUT)
        assert until.result().get_json()["state"] == "completed"
        assert until.result().headers["Preference-Applied"] == "wait=30; until=done"
    assert hub.waiting == 0


class Silence:
    """A waiter to whom nothing comes, and the clock, which only its waiting moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def next(self, within_s: float) -> Signal:
        self.now_s += within_s
        return Signal.SILENCE


def test_who_waits_in_vain_is_told_the_job_as_it_is_when_his_patience_is_over() -> None:
    silence, known = Silence(), a_job()
    later = replace(known, position=7)
    assert hold(silence, known, lambda: later, lambda _: False, 20.0, clock=silence) is later
    assert silence.now_s == 20


# on a real Valkey alone: this second, the least that can be asked for, is longer than all else here takes on fakeredis
@pytest.mark.parametrize("used", [pytest.param("valkey", marks=pytest.mark.sockets)], indirect=True, scope="session")
def test_a_long_poll_ends_with_the_patience_of_its_caller(web: FlaskClient) -> None:
    submit(web)
    began_s = time.monotonic()
    with ThreadPoolExecutor() as pool:
        known, news = pool.submit(held, web, "wait=1", If_None_Match='"1"'), pool.submit(held, web, "wait=1")
        same = known.result()
        assert time.monotonic() - began_s >= 1
    assert (same.status_code, same.data, same.headers["Preference-Applied"]) == (304, b"", "wait=1")
    assert news.result().status_code == 200


def test_a_long_poll_is_answered_at_once_if_there_is_something_to_say(web: FlaskClient, runs: RunStore) -> None:
    submit(web)
    began_s = time.monotonic()
    assert held(web, "wait=60", If_None_Match='"7"').headers["Preference-Applied"] == "wait=60"
    start(runs).complete(OUTPUT)
    for prefer, known, status in (("wait=60", '"3"', 304), ("wait=999;until=done", '"2"', 200)):
        answer = held(web, prefer, If_None_Match=known)
        assert answer.status_code == status
        assert answer.headers["Preference-Applied"].startswith("wait=60")
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        *(
            (each, None)
            for each in ("wait", "wait=", "wait=0", "wait=-1", "wait=1.5", "wait=x", "until=done", "=,;", '"')
        ),
        *((each, "wait=60") for each in ("wait=60", "WAIT = 060", 'wait="61"', "wait=" + "9" * 5000, "a, wait=60")),
        *((each, "wait=60; until=done") for each in ('wait=60;until="done"', "wait=60; x; Until=DONE")),
        ("wait=60; until=running", "wait=60"),
        ("wait=60, wait=x", "wait=60"),
    ],
)
def test_a_preference_that_cannot_be_understood_is_none(
    web: FlaskClient, runs: RunStore, prefer: str, applied: str | None
) -> None:
    submit(web)
    start(runs).complete(OUTPUT)
    answer = held(web, prefer)
    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (200, applied)
