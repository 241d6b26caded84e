"""What a client is told of its limits, and what becomes of it at them; the application without a socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from keyspace import keyspace
from news import BODY, opened

from api.app import DOORKEEPER, create_app
from api.settings import ApiSettings
from contract.limits import Limits, Rate
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import fakeredis
    import flask
    import redis
    from flask.testing import FlaskClient
    from given import Clock
    from werkzeug.test import TestResponse

ADMIN = "the-admin-s-own-token"
LIMITS = Limits(requests=Rate(4, 60), queued=2, streams=1)


@pytest.fixture
def settings() -> ApiSettings:
    return ApiSettings(
        store=StoreSettings(client_queued=LIMITS.queued), limits=LIMITS, auth=True, admin_token=ADMIN,
        admin_requests=Rate(50, 60), wrong_tokens=Rate(2, 60),
    )  # fmt: skip


@pytest.fixture
def app(settings: ApiSettings, connection: redis.Redis, clock: Clock) -> flask.Flask:
    return create_app(settings, connection, clock=clock)


@pytest.fixture
def web(app: flask.Flask) -> FlaskClient:
    return app.test_client()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def admin(web: FlaskClient, method: str, path: str, body: Any = None) -> TestResponse:
    return web.open(path, method=method, json=body, headers=bearer(ADMIN))


def made(web: FlaskClient, client_id: str = "acme", **limits: Any) -> dict[str, str]:
    """Make a client, and return what to send with its requests."""
    answer = admin(web, "POST", "/clients", {"client_id": client_id} | ({"limits": limits} if limits else {}))
    assert answer.status_code == 201, answer.text
    return bearer(answer.get_json()["token"])


def problem(answer: TestResponse) -> dict[str, Any]:
    found: dict[str, Any] = answer.get_json(force=True)
    assert answer.content_type == "application/problem+json"
    assert answer.status_code == found["status"]
    return found


def test_each_answer_tells_how_the_caller_stands(web: FlaskClient, clock: Clock) -> None:
    headers = made(web)
    first = web.get("/jobs", headers=headers)
    assert first.headers["RateLimit-Policy"] == '"requests";q=4;w=60'
    assert first.headers["RateLimit"] == '"requests";r=3;t=63'
    clock.pass_s(10)
    unknown = web.get("/jobs/none", headers=headers)
    assert (unknown.status_code, unknown.headers["RateLimit"]) == (404, '"requests";r=2;t=53')


def test_who_asks_too_often_is_told_which_limit_how_much_and_when_to_come_back(web: FlaskClient, clock: Clock) -> None:
    headers = made(web)
    assert [web.get("/jobs", headers=headers).status_code for _ in range(4)] == [200] * 4
    refused = web.post("/jobs", json=BODY, headers=headers)
    found = problem(refused)
    assert (found["status"], found["code"], found["limit"], found["most"]) == (429, "rate_limited", "requests", 4)
    assert (found["retry_after_s"], refused.headers["Retry-After"]) == (63, "63")
    assert found["retryable"]
    assert refused.headers["RateLimit"] == '"requests";r=0;t=63'
    clock.pass_s(63)
    assert web.get("/jobs", headers=headers).get_json()["jobs"] == []


def test_no_other_client_and_neither_the_admin_is_held_up(web: FlaskClient) -> None:
    headers, others = made(web), made(web, "other")
    assert [web.get("/jobs", headers=headers).status_code for _ in range(6)] == [200] * 4 + [429] * 2
    assert web.get("/jobs", headers=others).status_code == 200
    for _ in range(6):
        acting = web.get("/jobs", headers=bearer(ADMIN) | {"X-Client-Id": "acme"})
        assert (acting.status_code, acting.headers["RateLimit-Policy"]) == (200, '"requests";q=50;w=60')


def test_nothing_that_a_caller_may_choose_gives_it_another_bucket(web: FlaskClient) -> None:
    headers = made(web)
    for number in range(4):
        web.get("/jobs", headers=headers | {"X-Forwarded-For": f"192.0.2.{number}", "X-Request-Id": str(number)})
    assert web.get("/jobs", headers=headers | {"X-Forwarded-For": "192.0.2.9"}).status_code == 429
    assert web.get("/jobs", headers=headers | {"X-Client-Id": "acme"}).status_code == 429


def test_probes_are_never_refused(web: FlaskClient) -> None:
    for _ in range(10):
        answer = web.get("/healthz", headers=bearer("wrong"))
        assert (answer.status_code, "RateLimit" in answer.headers) == (200, False)
        assert web.get("/readyz").status_code == 503  # there is no worker


def test_a_full_queue_is_told_as_a_limit_and_takes_nothing(web: FlaskClient) -> None:
    headers = made(web, requests="none")
    for number in range(2):
        assert web.post("/jobs", json=BODY | {"job_id": f"j{number}"}, headers=headers).status_code == 202
    refused = web.post("/jobs", json=BODY | {"job_id": "j2"}, headers=headers | {"Idempotency-Key": "k"})
    found = problem(refused)
    assert (found["status"], found["code"], found["limit"], found["most"]) == (429, "too_many_queued", "queued", 2)
    assert (refused.headers["Retry-After"], found["retry_after_s"]) == ("5", 5)
    assert (refused.headers["RateLimit-Policy"], refused.headers["RateLimit"]) == ('"queued";q=2', '"queued";r=0;t=5')
    assert web.get("/jobs/j2", headers=headers).status_code == 404
    again = web.post("/jobs", json=BODY | {"job_id": "j1"}, headers=headers)
    assert again.status_code == 200
    assert web.post("/jobs/j0/cancel", headers=headers).status_code == 200
    assert web.post("/jobs/j0/reset", headers=headers).status_code == 202
    assert web.post("/jobs", json=BODY | {"job_id": "j2"}, headers=headers).status_code == 429


def test_of_a_batch_as_many_are_taken_as_there_is_room_for(web: FlaskClient) -> None:
    headers = made(web)
    batch = {"jobs": [BODY | {"job_id": f"j{number}"} for number in range(4)]}
    answer = web.post("/jobs/batch", json=batch, headers=headers)
    results = answer.get_json()["results"]
    assert answer.headers["Retry-After"] == "5"
    assert [each["status"] for each in results] == [202, 202, 429, 429]
    last = results[3]["problem"]
    assert (last["code"], last["limit"], last["most"], last["retry_after_s"]) == ("too_many_queued", "queued", 2, 5)


def test_the_single_job_face_is_refused_as_well_and_starts_once_there_is_room(
    web: FlaskClient, connection: redis.Redis
) -> None:
    headers = made(web, requests="none", queued=0)
    before = keyspace(connection)
    for _ in range(2):
        assert web.get("/status", headers=headers).status_code == 429
    assert web.post("/start-timer", json={"duration": 1}, headers=headers).status_code == 429
    assert keyspace(connection) == before
    admin(web, "PATCH", "/clients/acme", {"limits": {"queued": 1}})
    assert web.get("/status", headers=headers).get_json() == {"result": "pending"}


@pytest.mark.parametrize("path", ["/events", "/jobs/j1/events"])
def test_who_has_as_many_streams_open_as_it_may_gets_no_other(web: FlaskClient, path: str) -> None:
    headers = made(web, requests="none")
    web.post("/jobs", json=BODY | {"job_id": "j1"}, headers=headers)
    with opened(web, path, **headers) as blocks:
        next(blocks)
        for other in ("/events", "/jobs/j1/events"):
            refused = web.get(other, headers=headers)
            found = problem(refused)
            assert (found["code"], found["limit"], found["most"]) == ("too_many_streams", "streams", 1)
            assert refused.headers["Retry-After"] == "1"
            assert refused.headers["RateLimit-Policy"] == '"streams";q=1;qu="concurrent-requests"'
        wait = headers | {"Prefer": "wait=5"}
        for at_once in (web.get("/jobs/j1", headers=wait), web.post("/jobs", json=BODY, headers=wait)):
            assert (at_once.status_code < 300, "Preference-Applied" in at_once.headers) == (True, False)
    with opened(web, path, **headers) as blocks:
        next(blocks)


def test_who_is_refused_a_stream_has_opened_none(web: FlaskClient) -> None:
    headers = made(web, requests="none")
    for _ in range(3):
        assert web.get("/jobs/none/events", headers=headers).status_code == 404
    with opened(web, "/events", **headers) as blocks:
        next(blocks)


def test_an_admin_gives_a_client_limits_of_its_own_and_takes_them_away(web: FlaskClient) -> None:
    headers = made(web, queued=0)
    shown = admin(web, "GET", "/clients/acme").get_json()
    assert shown["limits"] == {"requests": None, "queued": 0, "running": None, "streams": None}
    assert shown["limits_in_force"] == {"requests": "4/60s", "queued": 0, "running": None, "streams": 1}
    changes = {"requests": "600/m", "queued": None, "running": 5.0, "streams": "none"}
    changed = admin(web, "PATCH", "/clients/acme", {"limits": changes})
    assert (changed.status_code, changed.get_json()["limits"]) == (
        200,
        {"requests": "600/60s", "queued": None, "running": 5, "streams": "none"},
    )
    assert changed.get_json()["limits_in_force"] == {"requests": "600/60s", "queued": 2, "running": 5, "streams": None}
    assert admin(web, "PATCH", "/clients/acme", {"limits": {"running": None}}).get_json()["limits"]["running"] is None
    told = web.get("/limits", headers=headers)
    assert told.headers["RateLimit-Policy"] == '"requests";q=600;w=60'
    assert told.get_json() == {
        "client_id": "acme",
        "requests": "600/60s",
        "queued": 2,
        "running": None,
        "streams": None,
        "used": {"queued": 0, "running": 0},
        "batch_jobs": 1000,
        "ids": 1000,
        "body_bytes": 1048576,
        "batch_body_bytes": 8388608,
        "long_poll_s": 60,
    }


NO_LIMITS: list[Any] = [
    {"requests": "0/s"}, {"requests": 100}, {"requests": "100/week"}, {"requests": "1/0s"}, {"queued": -1},
    {"queued": 1.5}, {"queued": True}, {"queued": "many"}, {"running": 0}, {"streams": 10**10}, {"stages": 1}, [],
]  # fmt: skip


def test_limits_that_are_none_are_refused_and_change_nothing(
    web: FlaskClient, nothing_changes: Callable[[], None]
) -> None:
    made(web, queued=3)
    nothing_changes()
    for limits in NO_LIMITS:
        for method, path, client in (("PATCH", "/clients/acme", {}), ("POST", "/clients", {"client_id": "other"})):
            found = problem(admin(web, method, path, client | {"limits": limits}))
            assert (found["code"], found["errors"][0]["pointer"].startswith("/limits")) == ("invalid_fields", True)


def test_limits_are_the_admin_s_to_change_and_only_of_clients_that_there_are(web: FlaskClient) -> None:
    headers = made(web)
    assert web.patch("/clients/acme", json={"limits": {"queued": 9}}, headers=headers).status_code == 403
    assert admin(web, "PATCH", "/clients/nobody", {"limits": {"queued": 9}}).status_code == 404


def test_too_many_wrong_tokens_from_an_address_are_a_limit_as_well(web: FlaskClient, app: flask.Flask) -> None:
    headers = made(web)
    web.get("/jobs", headers=headers)
    assert [web.get("/jobs", headers=bearer(f"guess{number}")).status_code for number in range(3)] == [401, 401, 429]
    refused = web.get("/jobs", headers=bearer("guess"))
    found = problem(refused)
    assert (found["code"], found["limit"], found["most"]) == ("too_many_wrong_tokens", "wrong_tokens", 2)
    assert refused.headers["RateLimit"] == f'"wrong_tokens";r=0;t={refused.headers["Retry-After"]}'
    app.extensions[DOORKEEPER].forget()
    assert web.get("/jobs", headers=headers).status_code == 200


def test_what_is_too_large_is_told_with_its_limit(web: FlaskClient) -> None:
    large = problem(admin(web, "POST", "/jobs", BODY | {"title": "x" * 2**20}))
    assert (large["status"], large["limit"], large["most"]) == (413, "body_bytes", 2**20)
    many = problem(admin(web, "POST", "/jobs/batch", {"jobs": [BODY] * 1001}))
    assert (many["status"], many["limit"], many["most"]) == (422, "batch_jobs", 1000)
    ids = ",".join(f"j{number}" for number in range(1001))
    assert problem(admin(web, "GET", f"/jobs?ids={ids}"))["limit"] == "ids"


def test_without_tokens_there_are_no_limits_unless_they_are_set(connection: redis.Redis, clock: Clock) -> None:
    free = ApiSettings.from_env({})
    assert (free.limits, free.store.client_queued, free.admin_requests) == (Limits(), None, None)
    web = create_app(free, connection, clock=clock).test_client()
    assert "RateLimit" not in web.get("/jobs").headers
    limited = ApiSettings.from_env({"DUBQ_CLIENT_REQUESTS": "2/m", "DUBQ_CLIENT_QUEUED": "0"})
    web = create_app(limited, connection, clock=clock).test_client()
    assert [web.post("/jobs", json=BODY).status_code for _ in range(3)] == [429, 429, 429]
    assert web.get("/jobs").get_json(force=True)["limit"] == "requests"


def test_where_tokens_are_asked_for_the_limits_are_wide() -> None:
    settings = ApiSettings.from_env({"DUBQ_AUTH": "on", "DUBQ_CLIENT_STREAMS": "none"})
    assert settings.limits == Limits(requests=Rate(10_000, 10), queued=10_000, streams=None)
    assert (settings.store.client_queued, settings.admin_requests) == (10_000, Rate(20_000, 10))


# Overload.


def test_a_process_with_too_much_to_do_says_so_before_it_begins(
    connection: redis.Redis, clock: Clock, nothing_changes: Callable[[], None]
) -> None:
    app = create_app(ApiSettings(in_flight=0), connection, clock=clock)
    web = app.test_client()
    nothing_changes()
    refused = web.post("/jobs", json=BODY)
    found = problem(refused)
    assert (found["status"], found["code"], found["retryable"]) == (503, "overloaded", True)
    assert refused.headers["Retry-After"] == "1"
    assert web.get("/healthz").status_code == 200
    assert web.get("/readyz").get_json(force=True)["code"] == "unavailable"


def test_requests_that_end_or_only_wait_make_room(connection: redis.Redis, clock: Clock) -> None:
    web = create_app(ApiSettings(in_flight=1), connection, clock=clock).test_client()
    assert [web.get(path).status_code for path in ("/jobs/none", "/nothing", "/jobs", "/jobs")] == [404, 404, 200, 200]
    with opened(web, "/events") as blocks:
        next(blocks)
        assert web.get("/jobs").status_code == 200


def test_whoever_sends_slowly_keeps_nobody_out(connection: redis.Redis, clock: Clock) -> None:
    app = create_app(ApiSettings(in_flight=1), connection, clock=clock)
    others = []

    class Slow:
        def read(self, _size: int) -> bytes:
            others.append(app.test_client().get("/jobs").status_code)
            return body

    body, slow = json.dumps(BODY).encode(), Slow()
    coming = {"wsgi.input": slow, "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
    sent = app.test_client().post("/jobs", environ_overrides=coming)
    assert (sent.status_code, set(others)) == (202, {200})
    assert app.test_client().get("/jobs").status_code == 200


@pytest.mark.sockets
def test_a_redis_that_is_full_takes_nothing_and_can_be_read(
    settings: ApiSettings, real: redis.Redis, clock: Clock
) -> None:
    web = create_app(settings, real, clock=clock).test_client()
    headers = made(web, requests="100/s")
    web.post("/jobs", json=BODY | {"job_id": "j1"}, headers=headers)
    real.config_set("maxmemory", 1)
    try:
        refused = web.post("/jobs", json=BODY | {"job_id": "j2"}, headers=headers | {"Idempotency-Key": "k"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert web.get("/jobs/j1", headers=headers).status_code == 200
    finally:
        real.config_set("maxmemory", 0)
    assert not [key for key in real.scan_iter() if b"j2" in key or b"idempotency" in key]


def test_while_redis_is_away_nothing_is_let_through_uncounted(
    server: fakeredis.FakeServer, fake: fakeredis.FakeRedis, clock: Clock
) -> None:
    limited = ApiSettings(limits=Limits(requests=Rate(4, 60)))
    web = create_app(limited, fake, clock=clock).test_client()
    server.connected = False
    refused = web.post("/jobs", json=BODY)
    assert (problem(refused)["code"], refused.headers["Retry-After"]) == ("unavailable", "1")
    server.connected = True
    assert [web.get("/jobs").status_code for _ in range(5)] == [200] * 4 + [429]
