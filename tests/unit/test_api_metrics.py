"""What /metrics tells, to whom, and by which labels: nothing that a caller can choose becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog
from listening import listening
from news import OUTPUT, held, opened, start, submit
from prometheus_client.parser import text_string_to_metric_families

from api.app import METER, create_app
from api.meter import Reporter
from api.settings import ApiSettings
from store import keys
from store.settings import connect

if TYPE_CHECKING:
    from pathlib import Path

    import redis
    from flask import Flask
    from flask.testing import FlaskClient

    from store.hub import Hub
    from store.runs import RunStore

ADMIN, SCRAPER = "the-admin-s-own-token", "what-opens-the-metrics"


@pytest.fixture
def reporter(app: Flask, web: FlaskClient, connection: redis.Redis) -> Reporter:  # noqa: ARG001 - on an empty Redis
    app.extensions[METER].take()  # what other tests have left
    return Reporter(connection, app.extensions[METER], lambda: 2)


def scraped(web: FlaskClient, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a name, by the values of their labels in the order of the labels' names."""
    answer = web.get("/metrics")
    assert (answer.status_code, answer.content_type.partition(";")[0]) == (200, "text/plain")
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name
    }


def test_requests_are_counted_by_the_template_of_their_route(web: FlaskClient, reporter: Reporter) -> None:
    submit(web)
    for path in ("/jobs/j1", "/jobs/j2", "/nothing/4711", "/jobs/" + "x" * 300, "/jobs/j1?x=1"):
        web.get(path)
    web.open("/jobs", method="BREW")
    reporter.turn()
    assert scraped(web, "dubq_http_requests_total") == {
        ("2xx", "POST", "/jobs"): 1, ("2xx", "GET", "/jobs/{job_id}"): 2, ("4xx", "GET", "/jobs/{job_id}"): 2,
        ("4xx", "GET", "other"): 1, ("4xx", "other", "other"): 1,
    }  # fmt: skip
    assert scraped(web, "dubq_http_answer_seconds_count")["POST", "/jobs"] == 1
    assert scraped(web, "dubq_http_problems_total")[("job_not_found",)] == 2


def test_what_was_counted_is_handed_on_once(web: FlaskClient, reporter: Reporter) -> None:
    submit(web)
    reporter.turn()
    reporter.turn()
    assert scraped(web, "dubq_http_requests_total")["2xx", "POST", "/jobs"] == 1
    assert scraped(web, "dubq_jobs") == {("queued",): 1, ("running",): 0, ("final",): 0}
    assert scraped(web, "dubq_open_streams") == {(): 2}


def test_what_cannot_be_handed_on_now_is_handed_on_later(web: FlaskClient, reporter: Reporter, tmp_path: Path) -> None:
    submit(web)
    Reporter(connect(f"unix://{tmp_path}/nobody"), reporter._meter, lambda: 0).turn()
    reporter.turn()
    assert scraped(web, "dubq_http_requests_total")["2xx", "POST", "/jobs"] == 1


def test_a_held_answer_does_not_count_as_slow(web: FlaskClient, reporter: Reporter, runs: RunStore) -> None:
    submit(web)
    start(runs).complete(OUTPUT)
    assert held(web, "wait=1").status_code == 200
    reporter.turn()
    assert ("GET", "/jobs/{job_id}") not in scraped(web, "dubq_http_answer_seconds_count")
    assert scraped(web, "dubq_http_requests_total")["2xx", "GET", "/jobs/{job_id}"] == 1


def test_it_is_counted_how_late_an_end_becomes_known(
    web: FlaskClient, reporter: Reporter, hub: Hub, runs: RunStore, connection: redis.Redis
) -> None:
    submit(web)
    with listening(connection, hub), opened(web, "/jobs/j1/events") as blocks:
        start(runs).complete(OUTPUT)
        assert list(blocks)
    reporter.turn()
    assert scraped(web, "dubq_knowing_delay_seconds_count") == {("redis",): 1, ("events",): 1, ("held",): 0}


def test_while_redis_is_away_the_metrics_say_so(tmp_path: Path) -> None:
    web = create_app(ApiSettings(), connect(f"unix://{tmp_path}/nobody")).test_client()
    assert scraped(web, "dubq_redis_up") == {(): 0}


def test_counts_of_another_version_are_passed_over(web: FlaskClient, connection: redis.Redis) -> None:
    connection.hset(keys.TALLY, mapping={"jobs_finished|completed": 2, "jobs_finished|a|b": 1, "unknown|x": 1})
    assert scraped(web, "dubq_jobs_finished_total") == {("cancelled",): 0, ("completed",): 2, ("error",): 0}


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("a" * 22, 401), (SCRAPER, 200), (ADMIN, 200)])
def test_with_tokens_the_metrics_open_to_the_admin_and_to_whoever_has_theirs(
    connection: redis.Redis, token: str | None, status: int
) -> None:
    settings = ApiSettings(auth=True, admin_token=ADMIN, metrics_token=SCRAPER)
    web = create_app(settings, connection).test_client()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    assert web.get("/metrics", headers=headers).status_code == status
    if token == SCRAPER:
        assert web.get("/jobs", headers=headers).status_code == 401


def test_a_client_s_token_does_not_open_the_metrics(connection: redis.Redis) -> None:
    web = create_app(ApiSettings(auth=True, admin_token=ADMIN), connection).test_client()
    made = web.post("/clients", json={"client_id": "acme"}, headers={"Authorization": f"Bearer {ADMIN}"}).get_json()
    refused = web.get("/metrics", headers={"Authorization": f"Bearer {made['token']}"})
    assert (refused.status_code, refused.get_json(force=True)["code"]) == (403, "forbidden")
    assert "acme" not in web.get("/metrics", headers={"Authorization": f"Bearer {ADMIN}"}).text


def test_reads_that_go_well_are_logged_for_developers_alone(web: FlaskClient) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        submit(web)
        for path in ("/jobs/j1", "/jobs/nobody", "/readyz"):
            web.get(path)
    requests = [(line["log_level"], line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert requests == [
        ("info", "/jobs", 202), ("debug", "/jobs/j1", 200), ("info", "/jobs/nobody", 404), ("debug", "/readyz", 503),
    ]  # fmt: skip
    assert [line.get("job_id") for line in lines] == ["j1", "j1", "nobody", None]
