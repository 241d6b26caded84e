"""Answers that are held back until there is news, on fakeredis and on a real Valkey."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from given import a_job
from listening import listening
from news import BODY, OUTPUT, held, start, submit
from redis import ConnectionError  # noqa: A004 - what Redis being away is
from service import eventually

from api.waits import hold, outcome, spoken
from contract.errors import JobNotFoundError
from store.hub import Signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from flask.testing import FlaskClient

    from contract.job import Job
    from store.hub import Hub
    from store.runs import RunStore

JOB = a_job("j")


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
    assert outcome(hold(silence, known, lambda: later, lambda _: False, 20.0, clock=silence)) is later
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


def test_a_held_answer_with_pings_begins_at_once_and_ends_with_the_job(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore
) -> None:
    submit(web)
    with listening(connection, hub):
        run = start(runs)
        answer = held(web, "wait=60; until=done; ping=1")
        assert answer.headers["Preference-Applied"] == "wait=60; until=done; ping=1"
        assert answer.headers["X-Accel-Buffering"] == "no"
        parts = iter(answer.response)
        assert next(parts) == b" "
        run.advance("voice", 0.5)
        run.complete(OUTPUT)
        rest = b"".join(parts)
    assert json.loads(rest)["state"] == "completed"
    answer.close()
    assert hub.waiting == 0


def test_what_can_be_said_at_once_needs_no_ping(web: FlaskClient, runs: RunStore) -> None:
    submit(web)
    start(runs).complete(OUTPUT)
    answer = held(web, "wait=60; until=done; ping=1", If_None_Match='"3"')
    assert (answer.status_code, answer.data) == (304, b"")
    assert held(web, "wait=60; ping=1", If_None_Match='"1"').headers["ETag"] == '"3"'


def test_whoever_leaves_a_held_answer_is_waited_for_no_more(web: FlaskClient, hub: Hub) -> None:
    submit(web)
    answer = held(web, "wait=60; ping=1")
    assert hub.waiting == 1
    answer.close()
    assert hub.waiting == 0


def held_for(waiter: Silence, read: Any, within_s: float, ping_s: float) -> Iterator[bytes]:
    turns = hold(waiter, JOB, read, lambda told: told.done, within_s, ping_s=ping_s, clock=waiter)
    return spoken(turns, lambda job: f"{job.job_id} at {waiter.now_s:g}".encode())


def test_pings_come_at_their_pace_whatever_else_is_heard_and_the_job_is_read_at_the_end_alone() -> None:
    reads: list[float] = []
    waiter = Silence()

    def read() -> Job:
        reads.append(waiter.now_s)
        return JOB

    assert list(held_for(waiter, read, 5.0, 2.0)) == [b" ", b" ", b" ", b"j at 5"]
    assert reads == [5.0]


@pytest.mark.parametrize("error", [ConnectionError("away"), JobNotFoundError("forgotten")])
def test_a_job_that_cannot_be_read_at_the_end_is_not_told(error: Exception) -> None:
    def read() -> Job:
        raise error

    assert b"".join(held_for(Silence(), read, 5.0, 2.0)).strip() == b""


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
        *((f"wait=60; ping={each}", "wait=60") for each in ("0", "x", "-1", "1.5", "")),
        *(
            (f"wait=60; ping={each}", f"wait=60; ping={applied}")
            for each, applied in (("7", 7), ('"007"', 7), ("99", 60))
        ),
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


def test_a_submit_that_prefers_to_wait_is_answered_at_the_job_s_end(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore
) -> None:
    with listening(connection, hub), ThreadPoolExecutor() as pool:
        sent = pool.submit(web.post, "/jobs", json=BODY | {"job_id": "j1"}, headers={"Prefer": "wait=30; ping=1"})
        eventually(lambda: hub.waiting == 1, 5)
        run = start(runs)
        run.advance("fetch", 0.5)
        run.complete(OUTPUT)
        answer = sent.result()
    assert (answer.status_code, answer.get_json()["state"], answer.headers["Location"]) == (
        202,
        "completed",
        "/jobs/j1",
    )
    assert answer.headers["Preference-Applied"] == "wait=30; until=done"
    again = web.post("/jobs", json=BODY | {"job_id": "j1"}, headers={"Prefer": "wait=30"})
    assert (again.status_code, again.get_json()) == (200, answer.get_json())
    assert hub.waiting == 0


def test_a_submit_that_was_accepted_stays_so_whatever_becomes_of_its_wait(
    web: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ConnectionError("as told")

    monkeypatch.setattr("store.jobs.fetch_one", fails)
    answer = web.post("/jobs", json=BODY | {"job_id": "j1"}, headers={"Prefer": "wait=30"})
    assert (answer.status_code, answer.get_json()["state"]) == (202, "queued")
    assert "Preference-Applied" not in answer.headers
