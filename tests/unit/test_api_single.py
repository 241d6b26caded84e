"""GET /status and POST /start-timer: one job per caller, which needs no id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.job import Output
from store.records import fetch_one
from store.settings import StoreSettings

if TYPE_CHECKING:
    import redis
    from flask.testing import FlaskClient
    from given import Clock

    from store.runs import RunStore
    from store.sweep import Sweep

WHOLE = {"Prefer": "return=representation"}


def finish(runs: RunStore, job_id: str) -> None:
    run = runs.start(job_id)
    assert run
    run.complete(Output(video_url="https://example.com/out.mp4", captions_url="https://example.com/out.vtt"))


def count(web: FlaskClient) -> int:
    return len(web.get("/jobs").get_json()["jobs"])


def test_the_first_question_starts_the_job_and_the_next_ones_are_about_it(web: FlaskClient, runs: RunStore) -> None:
    first = web.get("/status")
    assert first.get_json() == {"result": "pending"}
    assert first.headers["Retry-After"] == "1"
    assert web.get("/status").headers["Content-Location"] == first.headers["Content-Location"]
    assert count(web) == 1
    finish(runs, first.headers["Content-Location"].removeprefix("/jobs/"))
    done = web.get("/status")
    assert done.get_json() == {"result": "completed"}
    assert "Retry-After" not in done.headers
    assert count(web) == 1


def test_the_started_job_follows_the_operators_law(web: FlaskClient, connection: redis.Redis) -> None:
    job_id = web.get("/status").headers["Content-Location"].removeprefix("/jobs/")
    assert fetch_one(connection, "default", job_id).simulate is None


def test_any_job_can_be_asked_about_by_its_id(web: FlaskClient) -> None:
    web.post("/jobs", json={"video_url": "https://e.x/", "job_id": "j1"})
    assert web.get("/status?job_id=j1").get_json() == {"result": "pending"}
    web.post("/jobs/j1/cancel")
    assert web.get("/status?job_id=j1").get_json() == {"result": "cancelled"}


def test_a_caller_who_prefers_it_gets_the_whole_document(web: FlaskClient) -> None:
    job_id = web.get("/status").headers["Content-Location"].removeprefix("/jobs/")
    for prefer in ("return=representation", "wait=5, Return = representation", 'return=representation; a="b"'):
        answer = web.get("/status", headers={"Prefer": prefer})
        assert answer.get_json() == web.get(f"/jobs/{job_id}").get_json(), prefer
        assert answer.headers["Preference-Applied"] == "return=representation"
        assert answer.headers["Vary"] == "Prefer"
    assert web.get("/status", headers={"Prefer": "return=minimal"}).get_json() == {"result": "pending"}


def test_a_timer_starts_a_job_of_exactly_so_many_seconds(web: FlaskClient, connection: redis.Redis) -> None:
    words_for = {10: "10 seconds", 2.5: "2.5 seconds", -0.0: "0.0 seconds", 86_400: "86400 seconds"}
    for duration, words in words_for.items():
        answer = web.post("/start-timer", json={"duration": duration})
        assert (answer.status_code, answer.get_json()) == (200, {"message": f"Timer started for {words}"})
        job_id = answer.headers["Content-Location"].removeprefix("/jobs/")
        assert fetch_one(connection, "default", job_id).simulate == {"duration_s": duration}


def test_status_speaks_of_the_latest_timer(web: FlaskClient, runs: RunStore) -> None:
    finish(runs, web.get("/status").headers["Content-Location"].removeprefix("/jobs/"))
    timer = web.post("/start-timer", json={"duration": 3})
    assert web.get("/status").get_json() == {"result": "pending"}
    assert web.get("/status").headers["Content-Location"] == timer.headers["Content-Location"]


def test_a_forgotten_job_makes_room_for_a_new_one(web: FlaskClient, runs: RunStore, sweep: Sweep, clock: Clock) -> None:
    timer = web.post("/start-timer", json={"duration": 3})
    finish(runs, timer.headers["Content-Location"].removeprefix("/jobs/"))
    clock.pass_s(StoreSettings().job_ttl_s + 1)
    assert sweep.turn()
    assert count(web) == 0
    assert web.get("/status").get_json() == {"result": "pending"}
    assert web.get("/status", headers=WHOLE).get_json()["seq"] == 1
    assert count(web) == 1
