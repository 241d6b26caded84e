"""What every answer has, what is said when something is away, and the routes about the service itself."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from api.app import create_app
from api.settings import ApiSettings
from store import health
from store.health import Health, Verdict
from store.settings import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    import fakeredis
    import redis
    from flask.testing import FlaskClient

    from store.hub import Hub

REQUESTS = (
    ("POST", "/jobs", {"video_url": "https://e.x/"}),
    ("GET", "/jobs", None),
    ("GET", "/jobs?ids=a,b", None),
    ("GET", "/jobs/a", None),
    ("GET", "/jobs/a/events", None),
    ("GET", "/events", None),
    ("GET", "/events?after=0", None),
    ("POST", "/jobs/batch", {"jobs": [{"video_url": "https://e.x/"}]}),
    ("POST", "/jobs/a/cancel", None),
    ("POST", "/jobs/a/reset", None),
    ("GET", "/status", None),
    ("GET", "/status?job_id=a", None),
    ("POST", "/start-timer", {"duration": 1}),
    ("GET", "/readyz", None),
)


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Return a service whose Redis is away."""
    nobody = tmp_path_factory.getbasetemp() / "nobody"
    return create_app(ApiSettings(), connect(f"unix://{nobody}")).test_client()


@pytest.mark.parametrize("path", ["/healthz", "/connect", "/jobs", "/jobs/nobody", "/nothing"])
def test_a_sane_request_id_comes_back_and_any_other_is_replaced(web: FlaskClient, path: str) -> None:
    for theirs in ("abc-1.2_3", "a" * 128):
        assert web.get(path, headers={"X-Request-Id": theirs}).headers["X-Request-Id"] == theirs
    for theirs in ("", "a b", "a" * 129, "é", '"', "<script>"):
        ours = web.get(path, headers={"X-Request-Id": theirs}).headers["X-Request-Id"]
        assert ours != theirs
        assert len(ours) == 32
    assert web.get(path).headers["X-Request-Id"] != web.get(path).headers["X-Request-Id"]


def test_every_request_leaves_one_line_in_the_log(web: FlaskClient) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        web.get("/jobs/nobody", headers={"X-Request-Id": "r1"})
    (line,) = lines
    facts = {name: line[name] for name in ("event", "method", "path", "status", "request_id", "log_level")}
    assert facts == {
        "event": "request", "method": "GET", "path": "/jobs/nobody", "status": 404, "request_id": "r1",
        "log_level": "info",
    }  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_while_redis_is_away_the_answer_is_a_503_that_says_when_to_come_back(
    away: FlaskClient, method: str, path: str, body: Any
) -> None:
    answer = away.open(path, method=method, json=body)
    problem = json.loads(answer.data)
    assert (answer.status_code, problem["code"], problem["retryable"]) == (503, "unavailable", True)
    assert answer.headers["Retry-After"] == "1"
    assert answer.content_type == "application/problem+json"


def test_a_process_answers_that_it_is_alive_while_redis_is_away(away: FlaskClient) -> None:
    assert away.get("/healthz").get_json() == {"status": "ok"}


def test_a_fault_of_our_own_is_logged_and_tells_the_caller_nothing(fake: fakeredis.FakeRedis) -> None:
    app = create_app(ApiSettings(), fake)

    @app.get("/fault")
    def fault() -> str:
        raise RuntimeError("the secret")

    with structlog.testing.capture_logs() as lines:
        answer = app.test_client().get("/fault")
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (500, "internal")
    assert b"secret" not in answer.data
    (line,) = (each for each in lines if each["event"] == "request_failed")
    assert str(line["exc_info"]) == "the secret"


def test_the_service_is_ready_once_a_worker_listens(web: FlaskClient, connection: redis.Redis) -> None:
    answer = web.get("/readyz")
    assert (answer.status_code, answer.get_json(force=True)["workers"]) == (503, 0)
    elsewhere = Worker([Queue("other", connection=connection)], connection=connection, serializer=JSONSerializer)
    elsewhere.register_birth()
    assert web.get("/readyz").status_code == 503
    ours = Worker([Queue("default", connection=connection)], connection=connection, serializer=JSONSerializer)
    ours.register_birth()
    ready = web.get("/readyz")
    assert (ready.status_code, ready.get_json()["redis"], ready.get_json()["workers"]) == (200, True, 1)
    connection.delete(ours.key)  # it was killed, and its entry has run out
    assert web.get("/readyz").status_code == 503


def test_it_is_said_what_stands_in_the_way(web: FlaskClient, hub: Hub) -> None:
    found = web.get("/readyz").get_json(force=True)
    assert found["detail"] == found["checks"]["workers"]["reason"] == "no worker is running"
    states = {name: check["state"] for name, check in found["checks"].items()}
    assert states | {"clock": "", "persistence": ""} == {
        "redis": "ok", "writes": "ok", "persistence": "", "workers": "failing", "sweep": "warning", "news": "warning",
        "clock": "",
    }  # fmt: skip
    hub.is_fed = True
    assert web.get("/readyz").get_json(force=True)["checks"]["news"]["state"] == "ok"
    hub.is_fed = False


@pytest.mark.parametrize(
    ("info", "failing", "warned"),
    [
        ({}, set(), set()),
        ({"aof_enabled": 0}, set(), {"persistence"}),
        ({"maxmemory": 9, "used_memory": 8, "maxmemory_policy": "noeviction"}, set(), set()),
        ({"maxmemory": 9, "used_memory": 8, "maxmemory_policy": "allkeys-lru"}, set(), {"persistence"}),
        ({"maxmemory": 9, "used_memory": 9}, {"writes"}, set()),
        ({"role": "slave"}, {"writes"}, set()),
        ({"aof_last_write_status": "err"}, {"writes"}, set()),
    ],
)
def test_what_redis_says_of_itself_is_judged(info: dict[str, Any], failing: set[str], warned: set[str]) -> None:
    found = Health.of(info).checks()
    assert {each.name for each in found if each.verdict is Verdict.FAILING} == failing
    assert {each.name for each in found if each.verdict is Verdict.WARNING} == warned


def test_a_sweep_or_a_clock_that_is_too_far_away_is_a_warning() -> None:
    verdicts = [health.swept(ago_s).verdict.value for ago_s in (None, 0.0, 10.0, 10.1)]
    assert verdicts == ["warning", "ok", "ok", "warning"]
    assert [health.in_step(skew_s).verdict.value for skew_s in (-1.1, -1, 1, 1.1)] == ["warning", "ok", "ok", "warning"]
    assert health.in_step(2).reason.startswith("this host's clock is 2.0 s ahead of that of Redis")


@pytest.mark.parametrize(
    ("url", "redis_road"),
    [
        (None, None),
        ("unix:///run/s", {"url": "unix:///run/s", "channel": "dubq:events:default:*"}),
    ],
)
def test_a_caller_is_told_by_which_roads_news_come(
    connection: redis.Redis, url: str | None, redis_road: dict[str, str] | None
) -> None:
    settings = dataclasses.replace(ApiSettings(), public_redis_url=url)
    roads = create_app(settings, connection).test_client().get("/connect").get_json()
    assert roads == {"client_id": "default", "redis": redis_road, "sse": True, "long_poll_s": 60}


def test_head_and_options_are_answered(web: FlaskClient, nothing_changes: Callable[[], None]) -> None:
    nothing_changes()
    assert (web.head("/jobs").status_code, web.head("/jobs").data) == (200, b"")
    assert set(web.options("/jobs/a/reset").headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
