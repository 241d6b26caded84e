"""Many submissions at once, each judged alone; on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api.batch import MOST_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from flask.testing import FlaskClient

BODY: dict[str, Any] = {"video_url": "https://e.x/v"}


def submit(web: FlaskClient, *items: Any) -> list[dict[str, Any]]:
    answer = web.post("/jobs/batch", json={"jobs": items})
    assert answer.status_code == 207
    results: list[dict[str, Any]] = answer.get_json()["results"]
    assert len(results) == len(items)
    return results


def test_each_submission_is_judged_alone_and_answered_in_its_place(web: FlaskClient) -> None:
    web.post("/jobs", json=BODY | {"job_id": "old"})
    results = submit(
        web,
        BODY,
        BODY | {"job_id": "old"},
        BODY | {"job_id": "old", "title": "x"},
        3,
        {"title": 1},
        BODY | {"job_id": "j1"},
    )
    assert [each["status"] for each in results] == [202, 200, 409, 422, 422, 202]
    assert results[1]["job"] == web.get("/jobs/old").get_json()
    assert results[5]["job"] == web.get("/jobs/j1").get_json()
    assert (results[2]["problem"]["code"], results[2]["problem"]["job_id"]) == ("job_exists", "old")
    assert [each["pointer"] for each in results[3]["problem"]["errors"]] == [""]
    assert {each["pointer"] for each in results[4]["problem"]["errors"]} == {"/video_url", "/title"}
    assert all(each["problem"]["status"] == each["status"] for each in results if "problem" in each)


def test_the_second_of_two_with_one_id_is_judged_as_if_it_had_come_later(web: FlaskClient) -> None:
    twin = BODY | {"job_id": "j1"}
    assert [each["status"] for each in submit(web, twin, twin, twin | {"title": "x"})] == [202, 200, 409]


def test_a_batch_that_is_sent_again_makes_no_second_job(
    web: FlaskClient, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.jobs.TOGETHER", 10)
    items = [BODY | {"job_id": f"j{n:03}"} for n in range(21)]
    assert {each["status"] for each in submit(web, *items)} == {202}
    assert {each["status"] for each in submit(web, *items)} == {200}
    assert connection.llen("rq:queue:default") == 21
    assert [each["job"]["position"] for each in submit(web, *items)] == list(range(21))


def test_a_thousand_are_judged_and_one_more_is_refused(web: FlaskClient) -> None:
    assert len(submit(web, *[None] * 1000)) == 1000
    assert web.post("/jobs/batch", json={"jobs": [BODY] * 1001}).status_code == 422


# on a real Valkey alone: fakeredis would take longer for this than for all else that this module asks of it
@pytest.mark.parametrize("used", [pytest.param("valkey", marks=pytest.mark.sockets)], indirect=True, scope="session")
def test_a_thousand_are_taken(web: FlaskClient) -> None:
    results = submit(web, *[BODY | {"title": "t" * 200, "metadata": {"a": "b" * 2000}}] * 1000)
    assert {each["status"] for each in results} == {202}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/jobs"), ({"jobs": {}}, "/jobs"), ({"jobs": None}, "/jobs"), ({"jobs": [], "more": 1}, "/more")],
)
def test_what_is_no_batch_is_a_422(
    web: FlaskClient, nothing_changes: Callable[[], None], body: dict[str, Any], pointer: str
) -> None:
    nothing_changes()
    answer = web.post("/jobs/batch", json=body)
    assert (answer.status_code, answer.get_json(force=True)["errors"][0]["pointer"]) == (422, pointer)


def test_an_empty_batch_and_a_refused_one_leave_nothing_behind(
    web: FlaskClient, nothing_changes: Callable[[], None]
) -> None:
    nothing_changes()
    assert submit(web) == []
    assert [each["status"] for each in submit(web, None, [], {})] == [422] * 3


def test_a_flood_of_wrong_fields_gets_an_answer_that_names_a_few_of_each_submission(web: FlaskClient) -> None:
    item = {f"{n}-{'a' * 1000}": n for n in range(70)}
    answer = web.post("/jobs/batch", json={"jobs": [item] * 100})
    assert {len(each["problem"]["errors"]) for each in answer.get_json()["results"]} == {MOST_ERRORS}
    assert len(answer.data) < 100 * 2500


def test_the_other_requests_have_their_turn_before_each_submission(
    web: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []
    monkeypatch.setattr("time.sleep", turns.append)
    submit(web, *[None] * 30)
    assert turns == [0] * 30


def test_an_idempotency_key_is_refused_as_it_could_not_tell_one_submission_from_another(
    web: FlaskClient, nothing_changes: Callable[[], None]
) -> None:
    nothing_changes()
    answer = web.post("/jobs/batch", json={"jobs": [BODY]}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.get_json(force=True)["errors"][0]["pointer"]) == (422, "Idempotency-Key")


def test_nine_megabytes_are_a_413(web: FlaskClient) -> None:
    answer = web.post("/jobs/batch", json={"jobs": [BODY | {"title": "a" * 9_000_000}]})
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (413, "body_too_large")


def test_batch_is_a_name_that_a_job_may_have(web: FlaskClient) -> None:
    assert web.post("/jobs", json=BODY | {"job_id": "batch"}).status_code == 202
    assert web.get("/jobs/batch").get_json()["job_id"] == "batch"
