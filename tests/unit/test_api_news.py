"""The streams and the pages of the feed, over the API on fakeredis and on a real Valkey."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis
from listening import listening
from news import BODY, OUTPUT, document, held, next_job, opened, start, submit
from service import eventually

from api.app import create_app
from api.settings import ApiSettings
from contract.backoff import Backoff
from store import feed, keys
from store.feed import News
from store.hub import BOUND, Hub, Signal

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from given import Clock

    from store.jobs import JobStore
    from store.runs import RunStore


def test_a_stream_tells_the_job_now_each_change_once_and_ends_with_the_end(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore, jobs: JobStore
) -> None:
    submit(web)
    with listening(connection, hub), opened(web, "/jobs/j1/events") as blocks:
        assert next(blocks) == ": ping 0.05\nretry: 1000"
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
            words = iter(lambda: witness.next(5), Signal.SILENCE)
            assert any(isinstance(word, News) and word.seq == run.job.seq for word in words)
        told = iter(lambda: next_job(blocks)["seq"], run.job.seq)
        assert list(told) == [1]
        run.complete(OUTPUT)
        assert next_job(blocks)["state"] == "completed"


def test_the_stream_of_all_tells_what_comes_and_not_what_was(
    web: FlaskClient, hub: Hub, connection: redis.Redis, runs: RunStore
) -> None:
    submit(web, "before")
    with listening(connection, hub), opened(web, "/events") as blocks:
        assert next(blocks) == ": ping 0.05\n: listening\nretry: 1000"
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


def cut(connection: redis.Redis, kept: int) -> str:
    """Drop all but the newest entries of the feed, as it drops them itself; return the place of the oldest one."""
    oldest = feed.read(connection, "default")[0].feed_id
    connection.xtrim(keys.feed("default"), maxlen=kept, approximate=False)
    return oldest


def test_who_comes_back_to_the_stream_of_all_too_late_is_told_of_the_gap(
    web: FlaskClient, connection: redis.Redis
) -> None:
    for job_id in "abc":
        submit(web, job_id)
    old = cut(connection, kept=2)
    with opened(web, "/events", Last_Event_ID=old) as blocks:
        assert next(blocks) == ": ping 0.05\n: gap\n: listening\nretry: 1000"
        assert [next_job(blocks)["job_id"] for _ in range(2)] == ["b", "c"]
    new = feed.read(connection, "default")[0].feed_id
    with opened(web, "/events", Last_Event_ID=new) as blocks:
        assert next(blocks) == ": ping 0.05\n: listening\nretry: 1000"


def test_a_page_of_what_was_missed_says_whether_it_is_all_of_it(web: FlaskClient, connection: redis.Redis) -> None:
    def complete(after: str) -> bool:
        return bool(web.get(f"/events?after={after}").get_json()["complete"])

    assert complete("0")
    for job_id in "abc":
        submit(web, job_id)
    first = feed.read(connection, "default")[0].feed_id
    assert [complete("0"), complete("0-0"), complete(first)] == [True] * 3
    assert cut(connection, kept=2) == first
    second = feed.read(connection, "default")[0].feed_id
    assert [complete("0"), complete(first), complete(second), complete(feed.end(connection, "default"))] == [
        False,
        False,
        True,
        True,
    ]
    connection.delete(keys.feed("default"))
    assert not complete(second)


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


def test_nobody_hears_of_jobs_that_are_not_theirs(web: FlaskClient, hub: Hub) -> None:
    assert web.get("/jobs/nobody/events").status_code == 404
    somebody = {"X-Client-Id": "somebody"}
    assert web.post("/jobs", json=BODY | {"job_id": "j1"}, headers=somebody).status_code == 202
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


def test_what_failed_to_be_read_is_read_again(
    web: FlaskClient, hub: Hub, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.waits.READ_AGAIN", Backoff(first_s=0.01))
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
            hub.tell_standing("default", "j1", None)
            assert next(blocks) == ": ping 0.05"
            assert down.wait(5)
        assert next_job(blocks)["state"] == "completed"
        assert wait.result().get_json()["state"] == "completed"


def test_a_feed_that_was_never_begun_has_a_start(connection: redis.Redis) -> None:
    assert feed.end(connection, "default") == feed.START
    assert feed.read(connection, "default") == []
