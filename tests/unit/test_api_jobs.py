"""The routes under /jobs do what the contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contract.ids import is_job_id
from contract.job import Failure, Job, Output
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from flask.testing import FlaskClient
    from given import Clock
    from werkzeug.test import TestResponse

    from store.runs import RunStore

BODY: dict[str, Any] = {"video_url": "https://example.com/talk.mp4"}
FULL: dict[str, Any] = BODY | {
    "job_id": "mine",
    "title": "Résumé 日本",
    "source_language": "en",
    "target_language": "es-419",
    "video_duration_s": 90,
    "priority": "high",
    "metadata": {"text": "ü", "whole": 1, "part": 1.5, "yes": True, "nothing": None},
    "callback_url": "https://example.com/hook?a=b",
    "max_attempts": 5,
    "simulate": {"duration_s": 0, "outcome": "error", "fail_attempts": 2, "error_code": "no_voice"},
}


def submit(web: FlaskClient, **fields: Any) -> TestResponse:
    return web.post("/jobs", json=BODY | fields)


def finish(runs: RunStore, job_id: str) -> None:
    run = runs.start(job_id)
    assert run
    run.complete(Output(video_url="https://example.com/out.mp4", captions_url="https://example.com/out.vtt"))


def test_a_submission_is_accepted_with_the_way_to_its_job(web: FlaskClient) -> None:
    answer = submit(web)
    job = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/jobs/{job['job_id']}"
    assert answer.headers["Retry-After"] == "1"
    assert is_job_id(job["job_id"])
    assert (job["state"], job["result"], job["done"], job["seq"], job["position"]) == ("queued", "pending", False, 1, 0)
    assert web.get(answer.headers["Location"]).get_json() == job


def test_a_document_repeats_every_field_as_it_was_submitted(web: FlaskClient) -> None:
    job = web.post("/jobs", json=FULL).get_json()
    assert {name: job[name] for name in FULL if name != "simulate"} == {
        k: v for k, v in FULL.items() if k != "simulate"
    }
    assert "simulate" not in job
    assert Job.from_wire(job).client_id == "default"


def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(web: FlaskClient) -> None:
    first = submit(web, job_id="mine", max_attempts=2.0, simulate={"fail_attempts": 1.0})
    assert (first.status_code, first.get_json()["max_attempts"]) == (202, 2)
    assert submit(web, job_id="mine", max_attempts=2, simulate={"fail_attempts": 1}).status_code == 200


def test_text_beyond_ascii_is_sent_as_itself(web: FlaskClient) -> None:
    assert "日本" in web.post("/jobs", json=FULL).get_data(as_text=True)


def test_null_is_the_same_as_leaving_a_field_out(web: FlaskClient) -> None:
    assert submit(web, job_id="j1", title=None, simulate=None).status_code == 202
    assert submit(web, job_id="j1").status_code == 200


def test_the_same_submission_again_is_answered_with_the_job_as_it_is_now(web: FlaskClient, runs: RunStore) -> None:
    submit(web, job_id="j1")
    finish(runs, "j1")
    again = submit(web, job_id="j1")
    assert again.status_code == 200
    assert again.get_json()["state"] == "completed"
    assert "Retry-After" not in again.headers


def test_the_order_of_fields_and_the_way_a_number_is_written_make_no_other_submission(web: FlaskClient) -> None:
    head = {"Content-Type": "application/json"}
    first = '{"video_url": "https://e.x/", "job_id": "j1", "video_duration_s": 5, "metadata": {"a": 1, "b": 2}}'
    second = '{"metadata":{"b":2,"a":1},"video_duration_s":5.0,"job_id":"j1","video_url":"https:\\/\\/e.x/"}'
    assert web.post("/jobs", data=first, headers=head).status_code == 202
    assert web.post("/jobs", data=second, headers=head).status_code == 200


def test_another_submission_under_the_same_id_is_refused_and_names_the_job(
    web: FlaskClient, nothing_changes: Callable[[], None]
) -> None:
    submit(web, job_id="j1")
    nothing_changes()
    answer = submit(web, job_id="j1", title="another")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "job_exists")
    assert answer.get_json()["job_id"] == "j1"


def test_an_idempotency_key_makes_one_job_of_many_submissions(web: FlaskClient) -> None:
    head = {"Idempotency-Key": "order-7"}
    first = web.post("/jobs", json=BODY, headers=head)
    second = web.post("/jobs", json=BODY, headers=head)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.get_json()["job_id"] == second.get_json()["job_id"]


def test_an_idempotency_key_is_refused_for_another_submission(
    web: FlaskClient, nothing_changes: Callable[[], None]
) -> None:
    head = {"Idempotency-Key": "order-7"}
    web.post("/jobs", json=BODY, headers=head)
    nothing_changes()
    for other in ({"title": "another"}, {"job_id": "chosen"}):
        assert web.post("/jobs", json=BODY | other, headers=head).status_code == 409


def test_a_reader_who_knows_the_seq_is_told_that_nothing_has_changed(web: FlaskClient, runs: RunStore) -> None:
    submit(web, job_id="j1")
    known = web.get("/jobs/j1").headers["ETag"]
    assert known == '"1"'
    unchanged = web.get("/jobs/j1", headers={"If-None-Match": known})
    assert (unchanged.status_code, unchanged.data, unchanged.headers["ETag"]) == (304, b"", known)
    assert unchanged.headers["Retry-After"] == "1"
    assert web.get("/jobs/j1", headers={"If-None-Match": f'W/"9", W/{known}'}).status_code == 304
    finish(runs, "j1")
    done = web.get("/jobs/j1", headers={"If-None-Match": known})
    assert (done.status_code, done.headers["ETag"]) == (200, '"3"')
    assert "Retry-After" not in done.headers
    assert done.headers["Cache-Control"] == "private, no-cache"


def test_many_jobs_are_read_at_once_each_once_and_the_missing_are_named(web: FlaskClient) -> None:
    for job_id in ("a", "b"):
        submit(web, job_id=job_id)
    found = web.get("/jobs?ids=b,nobody,a,b").get_json()
    assert [job["job_id"] for job in found["jobs"]] == ["b", "a"]
    assert found["missing"] == ["nobody"]


def test_a_thousand_ids_are_read_at_once_and_one_more_is_too_many(web: FlaskClient) -> None:
    ids = [f"{n:064d}" for n in range(1001)]
    assert len(web.get(f"/jobs?ids={','.join(ids[:1000])}").get_json()["missing"]) == 1000
    assert web.get(f"/jobs?ids={','.join(ids)}").status_code == 422


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_the_list_walks_through_every_job_once_newest_first(web: FlaskClient, clock: Clock, size: int) -> None:
    for n in range(7):
        submit(web, job_id=f"j{n}")
        clock.pass_s(n % 2)  # some are of the same moment
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = web.get("/jobs", query_string={"limit": size, **({"cursor": cursor} if cursor else {})}).get_json()
        seen += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert sorted(seen, reverse=True) == seen == [f"j{n}" for n in reversed(range(7))]


def test_the_list_is_narrowed_by_state_and_target_language(web: FlaskClient) -> None:
    submit(web, job_id="spanish", target_language="es")
    submit(web, job_id="french", target_language="fr")
    web.post("/jobs/french/cancel")

    def listed(query: str) -> list[str]:
        return [job["job_id"] for job in web.get(f"/jobs?{query}").get_json()["jobs"]]

    assert listed("state=queued") == ["spanish"]
    assert listed("state=cancelled&target_language=fr") == ["french"]
    assert listed("state=cancelled&target_language=es") == []


def test_cancelling_ends_a_queued_job_and_may_be_asked_twice(web: FlaskClient) -> None:
    submit(web, job_id="j1")
    first, second = web.post("/jobs/j1/cancel"), web.post("/jobs/j1/cancel")
    assert first.status_code == second.status_code == 200
    assert first.get_json() == second.get_json()
    assert first.get_json()["state"] == "cancelled"


def test_cancelling_a_running_job_is_taken_and_its_end_is_waited_for(web: FlaskClient, runs: RunStore) -> None:
    submit(web, job_id="j1")
    runs.start("j1")
    answer = web.post("/jobs/j1/cancel")
    assert (answer.status_code, answer.get_json()["state"]) == (200, "running")
    assert answer.headers["Retry-After"] == "1"


def test_cancelling_after_the_end_is_refused(
    web: FlaskClient, runs: RunStore, nothing_changes: Callable[[], None]
) -> None:
    submit(web, job_id="j1")
    finish(runs, "j1")
    nothing_changes()
    answer = web.post("/jobs/j1/cancel")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "illegal_transition")


def test_a_reset_runs_a_finished_job_again(web: FlaskClient, runs: RunStore, connection: redis.Redis) -> None:
    submit(web, job_id="j1")
    run = runs.start("j1")
    assert run
    run.fail(Failure(code="no_voice", message="nobody speaks"), pause_s=0)
    answer = web.post("/jobs/j1/reset")
    job = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (202, "/jobs/j1")
    assert (job["state"], job["attempt"], job["seq"], job["error"]) == (State.QUEUED, 1, 4, None)
    assert connection.lrange("rq:queue:default", 0, -1).count(b"j1") >= 1


def test_a_reset_while_pending_is_refused(web: FlaskClient, nothing_changes: Callable[[], None]) -> None:
    submit(web, job_id="j1")
    nothing_changes()
    answer = web.post("/jobs/j1/reset")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "illegal_transition")


@pytest.mark.parametrize(("past_s", "pause"), [(5, "1"), (90, "9"), (3600, "30")])
def test_retry_after_waits_until_a_tenth_of_jobs_have_ended_but_never_long(
    web: FlaskClient, runs: RunStore, clock: Clock, past_s: int, pause: str
) -> None:
    submit(web, job_id="past")
    clock.pass_s(1)
    run = runs.start("past")
    assert run is not None
    clock.pass_s(past_s)
    run.complete(Output(video_url="v", captions_url="c"))
    clock.pass_s(1)
    job = submit(web, job_id="now")
    assert job.headers["Retry-After"] == web.get("/status?job_id=now").headers["Retry-After"] == pause
    assert job.get_json()["eta"].keys() == {"p10_s", "p50_s", "p90_s"}
