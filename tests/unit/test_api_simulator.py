"""The simulator's own routes: a client's clock, and a fresh start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from given import made

from api.app import create_app
from api.settings import ApiSettings
from contract.states import State
from store.records import fetch_one

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from flask.testing import FlaskClient
    from given import Clock

    from store.jobs import JobStore
    from store.runs import RunStore
    from store.sweep import Sweep


def move(web: FlaskClient, **body: Any) -> Any:
    answer = web.post("/simulator/clock", json=body)
    assert answer.status_code == 200, answer.data
    return answer.get_json()


def test_a_clock_is_frozen_put_forward_and_let_go(web: FlaskClient, clock: Clock) -> None:
    real = {"now": "2026-01-01T00:00:00.000Z", "ahead_s": 0.0, "speed": 1.0, "frozen": False}
    assert web.get("/simulator/clock").get_json() == real
    assert move(web, freeze=True) == real | {"speed": 0.0, "frozen": True}
    clock.pass_s(10)
    assert move(web, advance_s=1810)["now"] == "2026-01-01T00:30:10.000Z"
    assert move(web, speed=60)["frozen"] is False
    clock.pass_s(1)
    told = web.get("/simulator/clock").get_json()
    assert told == {"now": "2026-01-01T00:31:10.000Z", "ahead_s": 1859.0, "speed": 60.0, "frozen": False}


def test_a_clock_far_beyond_all_calendars_is_still_told(web: FlaskClient, clock: Clock) -> None:
    move(web, speed=100_000)
    clock.pass_s(30 * 86_400)
    assert web.get("/simulator/clock").get_json()["now"].startswith("9999-")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"freeze": True, "speed": 2}, ""),
    ({"freeze": False}, "/freeze"),
    ({"freeze": 1}, "/freeze"),
    ({"advance_s": -1}, "/advance_s"),
    ({"advance_s": 1e12}, "/advance_s"),
    ({"advance_s": "60"}, "/advance_s"),
    ({"speed": 0}, "/speed"),
    ({"speed": -2}, "/speed"),
    ({"speed": True}, "/speed"),
    ({"rewind_s": 3}, "/rewind_s"),
]


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(("body", "pointer"), WRONG)
def test_what_no_clock_can_do_is_refused(web: FlaskClient, body: dict[str, Any], pointer: str) -> None:
    answer = web.post("/simulator/clock", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_fields")
    assert [each["pointer"] for each in answer.get_json()["errors"]] == [pointer]


def test_a_reset_world_has_nothing_left_of_the_old_one(
    web: FlaskClient, jobs: JobStore, sweep: Sweep, connection: redis.Redis, nothing_changes: Callable[[], None]
) -> None:
    nothing_changes()
    move(web, freeze=True)
    web.get("/status")
    made(jobs, "waits")
    web.post("/jobs/waits/cancel")
    made(jobs, "waits-too")
    assert web.post("/reset").get_json() == {"cancelled": 2, "forgotten": 1}
    sweep.turn()
    for key in connection.scan_iter():  # what the service learned and noted on the way belongs to no world
        if key.startswith((b"dubq:feed:", b"dubq:swe", b"dubq:durations", b"dubq:turns", b"rq:")):
            connection.delete(key)


def test_what_runs_is_asked_to_stop_and_the_next_world_counts_from_one(
    web: FlaskClient, jobs: JobStore, runs: RunStore, connection: redis.Redis
) -> None:
    made(jobs, "runs")
    run = runs.start("runs")
    assert web.post("/reset").get_json() == {"cancelled": 1, "forgotten": 0}
    assert run is not None
    assert run.beat() == "cancel"
    assert jobs.read("runs", "default").state is State.RUNNING
    made(jobs, "next")
    assert fetch_one(connection, "default", "next").number == 1


def test_where_the_simulator_does_not_run_there_are_no_worlds(
    connection: redis.Redis, nothing_changes: Callable[[], None]
) -> None:
    nothing_changes()
    web = create_app(ApiSettings(engines=("acme",)), connection).test_client()
    for method, path in (("GET", "/simulator/clock"), ("POST", "/simulator/clock"), ("POST", "/reset")):
        assert web.open(path, method=method, json={"freeze": True}).status_code == 404


def test_a_client_sets_its_odds_and_a_new_world_has_none(web: FlaskClient) -> None:
    assert web.get("/simulator/odds").get_json() == {"error_rate": None}
    assert web.post("/simulator/odds", json={"error_rate": 0.25}).get_json() == {"error_rate": 0.25}
    for wrong in ({}, {"error_rate": 1.5}, {"error_rate": "0.5"}, {"error_rate": 0.5, "more": 1}):
        assert web.post("/simulator/odds", json=wrong).status_code == 422
    assert web.get("/simulator/odds").get_json() == {"error_rate": 0.25}
    web.post("/reset")
    assert web.get("/simulator/odds").get_json() == {"error_rate": None}
    web.post("/simulator/odds", json={"error_rate": 1})
    assert web.post("/simulator/odds", json={"error_rate": None}).get_json() == {"error_rate": None}
