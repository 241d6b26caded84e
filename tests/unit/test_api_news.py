"""The streams and the long-poll, over the API on fakeredis and on a real Valkey."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis
from listening import listening
from service import eventually

from api.app import create_app
from api.settings import ApiSettings
from api.stories import JobStory
from api.streams import ping_s, tell
from contract.job import Output
from store import feed, keys
from store.hub import BOUND, Hub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient
    from given import Clock
    from werkzeug.test import TestResponse

    from store.jobs import JobStore
    from store.runs import Run, RunStore

OUTPUT = Output(video_url="https://e.x/o", captions_url="https://e.x/c")
BODY = {"video_url": "https://e.x/v"}


def submit(web: FlaskClient, job_id: str = "j1") -> None:
    assert web.post("/jobs", json=BODY | {"job_id": job_id}).status_code == 202


def start(runs: RunStore, job_id: str = "j1") -> Run:
    run = runs.start(job_id)
    assert run
    return run


@contextmanager
def opened(web: FlaskClient, path: str, **headers: str) -> Iterator[Iterator[str]]:
    """Open a stream; yield its blocks, each without the empty line that ends it."""
    answer = web.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert (answer.status_code, answer.content_type) == (200, "text/event-stream")
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    try:
        yield (block for part in answer.response for block in part.decode().split("\n\n") if block)
    finally:
        answer.close()


def document(block: str) -> tuple[str, dict[str, Any]]:
    """Return an event's id and its job."""
    place, data = block.split("\n")
    assert place.startswith("id: ")
    return place[4:], json.loads(data.removeprefix("data: "))


def next_job(blocks: Iterator[str]) -> dict[str, Any]:
    return document(next(block for block in blocks if not block.startswith(": ping")))[1]


def test_a_stream_tells_the_job_now_each_change_once_and_ends_with_the_end(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore, jobs: JobStore
) -> None:
    submit(web)
    with listening(connection, hub), opened(web, "/jobs/j1/events") as blocks:
        assert next(blocks) == ": ping 0.2\nretry: 1000"
        assert next_job(blocks) == web.get("/jobs/j1").get_json()
        run = start(runs)
        run.advance("fetch", 0.5)
        run.complete(OUTPUT)
        told = [document(block) for block in blocks if not block.startswith(": ping")]
        assert [job["seq"] for _, job in told] == [2, 3, 4]
        assert told[-1] == (jobs.record("j1", "default").feed_id, web.get("/jobs/j1").get_json())
    assert hub.waiting == 0


def test_a_stream_of_a_job_that_has_ended_tells_the_end_and_nothing_to_who_knows_it(
    web: FlaskClient, hub: Hub, runs: RunStore
) -> None:
    submit(web)
    start(runs).complete(OUTPUT)
    with opened(web, "/jobs/j1/events") as blocks:
        _, event = blocks
    place, job = document(event)
    assert job["state"] == "completed"
    known = web.get("/jobs/j1/events", headers={"Last-Event-ID": place})
    assert (known.status_code, known.data) == (204, b"")
    assert hub.waiting == 0


def test_who_comes_back_is_told_each_change_that_it_has_missed(web: FlaskClient, runs: RunStore) -> None:
    submit(web)
    submit(web, "other")
    first = web.get("/events?after=0").get_json()["events"][0]["feed_id"]
    run = start(runs)
    start(runs, "other").complete(OUTPUT)
    run.advance("fetch", 0.1)
    run.complete(OUTPUT)
    with opened(web, "/jobs/j1/events", Last_Event_ID=first) as blocks:
        assert [document(block)[1]["seq"] for block in blocks if block.startswith("id")] == [2, 3, 4]


@pytest.mark.parametrize("known", ["1-1", "nonsense", "9-9-9"])
def test_who_comes_back_too_late_or_from_nowhere_is_told_the_job_as_it_is(
    web: FlaskClient, runs: RunStore, known: str
) -> None:
    submit(web)
    start(runs).complete(OUTPUT)
    with opened(web, "/jobs/j1/events", Last_Event_ID=known) as blocks:
        assert [document(block)[1]["seq"] for block in blocks if not block.startswith(": ping")] == [3]


def test_silence_is_filled_with_comments(web: FlaskClient) -> None:
    submit(web)
    with opened(web, "/jobs/j1/events") as blocks:
        next_job(iter([next(blocks), next(blocks)][1:]))
        assert [next(blocks), next(blocks)] == [": ping 0.2", ": ping 0.2"]


def test_a_reader_that_was_too_slow_goes_on_with_the_job_as_it_is(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore
) -> None:
    submit(web)
    with listening(connection, hub), opened(web, "/jobs/j1/events") as blocks:
        next(blocks)
        run = start(runs)
        for step in range(BOUND + 5):
            run.advance("fetch", step / 1000)
        with hub.join("default", "j1") as witness:
            run.advance("fetch", 0.5)
            witness.next(5)
        told = iter(lambda: next_job(blocks)["seq"], run.job.seq)
        assert list(told) == [1]
        run.complete(OUTPUT)
        assert next_job(blocks)["state"] == "completed"


def test_the_stream_of_all_tells_what_comes_and_not_what_was(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore
) -> None:
    submit(web, "before")
    with listening(connection, hub), opened(web, "/events") as blocks:
        assert next(blocks) == ": ping 0.2\n: listening\nretry: 1000"
        submit(web, "a")
        submit(web, "b")
        start(runs, "a").complete(OUTPUT)
        told = [next_job(blocks) for _ in range(4)]
        assert [(job["job_id"], job["seq"]) for job in told] == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]


def test_the_stream_of_all_begins_where_its_reader_has_left_it(
    web: FlaskClient, hub: Hub, connection: redis.Redis
) -> None:
    for job_id in "abc":
        submit(web, job_id)
    first = web.get("/events?after=0&limit=1").get_json()["next"]
    with listening(connection, hub), opened(web, "/events", Last_Event_ID=first) as blocks:
        next(blocks)
        submit(web, "d")
        assert [next_job(blocks)["job_id"] for _ in range(3)] == ["b", "c", "d"]


def test_what_was_missed_is_read_as_json_page_by_page(web: FlaskClient) -> None:
    for job_id in "abc":
        submit(web, job_id)
    after, seen = "0", []
    for _ in range(4):
        page = web.get(f"/events?after={after}&limit=1").get_json()
        seen += [(each["feed_id"], each["job"]["job_id"]) for each in page["events"]]
        after = page["next"]
    assert [job_id for _, job_id in seen] == list("abc")
    assert seen[-1][0] == after


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        *((f"after={each}", "after") for each in ("", "x", "-1", "1-", "1-x", "9" * 19, "$", "(1", "1%000", "-", "+")),
        *((f"after=0&limit={each}", "limit") for each in ("0", "1001", "x", "")),
        *(("limit=5", "limit"), ("since=0", "since"), ("after=0&after=1", "after")),
    ],
)
def test_a_bad_feed_id_is_a_422(web: FlaskClient, query: str, parameter: str) -> None:
    answer = web.get(f"/events?{query}")
    assert (answer.status_code, answer.get_json(force=True)["errors"][0]["pointer"]) == (422, parameter)


def test_a_stream_of_all_from_nowhere_is_refused_for_it_would_hide_a_gap(web: FlaskClient, hub: Hub) -> None:
    assert web.get("/events", headers={"Last-Event-ID": "x"}).status_code == 422
    assert hub.waiting == 0


def test_nobody_hears_of_jobs_that_are_not_theirs(web: FlaskClient, hub: Hub, connection: redis.Redis) -> None:
    assert web.get("/jobs/nobody/events").status_code == 404
    submit(web)
    record = connection.hget(keys.record("j1"), "document")
    assert isinstance(record, bytes)
    connection.hset(keys.record("j1"), "document", record.replace(b'"default"', b'"somebody"', 1))
    assert web.get("/jobs/j1/events").status_code == 404
    assert web.get("/jobs/j1", headers={"Prefer": "wait=60"}).status_code == 404
    assert hub.waiting == 0


def test_an_unread_answer_leaves_no_waiter_behind(web: FlaskClient, hub: Hub) -> None:
    submit(web)
    for path in ("/jobs/j1/events", "/events"):
        web.head(path).close()
        web.get(path).close()
    assert hub.waiting == 0


def test_an_ending_process_ends_its_streams_and_holds_back_no_answer(connection: redis.Redis, clock: Clock) -> None:
    hub = Hub()
    web = create_app(ApiSettings(), connection, clock=clock, hub=hub).test_client()
    submit(web)
    with opened(web, "/jobs/j1/events") as one, opened(web, "/events") as every:
        hub.close()
        assert [*one][-1] == [*every][-1] == "retry: 1000"
    began_s = time.monotonic()
    assert held(web, "wait=30").status_code == 200
    assert time.monotonic() - began_s < 5


def held(web: FlaskClient, prefer: str, **headers: str) -> TestResponse:
    return web.get("/jobs/j1", headers={"Prefer": prefer} | {n.replace("_", "-"): v for n, v in headers.items()})


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


def test_a_long_poll_ends_with_the_patience_of_its_caller(web: FlaskClient) -> None:
    submit(web)
    began_s = time.monotonic()
    same = held(web, "wait=1", If_None_Match='"1"')
    assert (same.status_code, same.data, same.headers["Preference-Applied"]) == (304, b"", "wait=1")
    assert time.monotonic() - began_s >= 1
    assert held(web, "wait=1").status_code == 200


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


def test_what_failed_to_be_read_is_read_again(
    web: FlaskClient, hub: Hub, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(web)
    with opened(web, "/jobs/j1/events") as blocks, ThreadPoolExecutor() as pool:
        next_job(iter([next(blocks), next(blocks)][1:]))
        wait = pool.submit(held, web, "wait=30")
        eventually(lambda: hub.waiting == 2, 5)
        start(runs).complete(OUTPUT)  # nobody feeds the hub: it is all missed
        down = threading.Event()

        def fails(*_: object) -> None:
            down.set()
            raise redis.ConnectionError("as told")

        with monkeypatch.context() as patch:
            patch.setattr("store.jobs.fetch_one", fails)
            hub.look()
            assert next(blocks) == ": ping 0.2"
            assert down.wait(5)
        assert next_job(blocks)["state"] == "completed"
        assert wait.result().get_json()["state"] == "completed"


def test_a_feed_that_was_never_begun_has_a_start(connection: redis.Redis) -> None:
    assert feed.end(connection, "default") == feed.START
    assert feed.read(connection, "default") == []


@pytest.mark.parametrize(
    ("readers", "pause_s"), [(0, 1), (1, 1), (500, 1), (501, 2), (5000, 10), (7500, 15), (100_000, 15)]
)
def test_the_fewer_readers_there_are_the_sooner_each_hears_that_its_line_is_there(readers: int, pause_s: float) -> None:
    assert ping_s(readers) == pause_s


def test_the_pace_that_was_said_last_is_kept_until_the_next_is_said(web: FlaskClient, hub: Hub) -> None:
    submit(web)
    paces = iter([0.1, 0.2, 0.3])
    with hub.join("default", "j1") as waiter:
        told = tell(waiter, JobStory(lambda: pytest.fail("no look"), 1, is_over=False), b"\n", pace=lambda: next(paces))
        assert [next(told) for _ in range(3)] == [b": ping 0.1\n\n", b": ping 0.2\n\n", b": ping 0.3\n\n"]
