"""Who is let in, as whom, and what the admin does with clients; the application without a socket."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from given import START
from news import BODY, opened
from service import eventually

from api.app import DOORKEEPER, create_app
from api.caller import Doorkeeper
from api.keeper import Keeper
from api.listener import Listener
from api.settings import ApiSettings
from contract.job import to_rfc3339
from store.clients import Clients
from store.door import Door
from store.hub import Hub
from store.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from flask import Flask
    from flask.testing import FlaskClient
    from given import Clock
    from werkzeug.test import TestResponse

ADMIN = "the-admin-s-own-token"
SETTINGS = ApiSettings(auth=True, admin_token=ADMIN, public_redis_url="redis://127.0.0.1:6379")


@pytest.fixture(scope="module")
def shut_hub() -> Hub:
    return Hub()


@pytest.fixture(scope="module")
def shut(used: redis.Redis, moved: Clock, shut_hub: Hub) -> Flask:
    """Return an application that asks for tokens."""
    return create_app(SETTINGS, used, clock=moved, hub=shut_hub, ping_s=lambda _: 0.05)


@pytest.fixture
def web(shut: Flask, connection: redis.Redis, clock: Clock) -> FlaskClient:  # noqa: ARG001 - emptied, and set back
    shut.extensions[DOORKEEPER].forget()
    return shut.test_client()


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in more.items()}}


def admin(web: FlaskClient, method: str, path: str, body: Any = None, token: str = ADMIN) -> TestResponse:
    return web.open(path, method=method, json=body, headers=bearer(token))


def token_of(web: FlaskClient, client_id: str) -> str:
    made: dict[str, str] = admin(web, "POST", "/clients", {"client_id": client_id}).get_json()
    return made["token"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("wrong"),
        bearer(""),
        {"X-Api-Key": "wrong"},
        {"X-Api-Key": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {ADMIN}"},
        {"Authorization": ADMIN},
        bearer(ADMIN, X_Api_Key="another"),
        bearer(ADMIN + "x"),
        bearer("é"),
    ],
)
@pytest.mark.parametrize("path", ["/jobs", "/jobs/j1", "/events", "/connect", "/status", "/clients", "/nothing"])
def test_who_shows_no_token_that_counts_is_not_let_in_and_learns_nothing(
    web: FlaskClient, path: str, headers: dict[str, str], nothing_changes: Callable[[], None]
) -> None:
    nothing_changes()
    answer = web.get(path, headers=headers)
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="dubq"'
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_token(web: FlaskClient, path: str) -> None:
    assert web.get(path).status_code in {200, 503}


def test_a_token_is_shown_in_either_header(web: FlaskClient) -> None:
    token = token_of(web, "acme")
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"bearer  {token}"},
        {"X-Api-Key": token},
        {"Authorization": f"Bearer {token}", "X-Api-Key": token},
    ):
        assert web.get("/connect", headers=headers).get_json()["client_id"] == "acme"


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "X-Api-Key"])
def test_a_token_in_the_url_is_refused_even_beside_one_that_counts(web: FlaskClient, name: str) -> None:
    answer = web.get("/jobs", query_string={name: token_of(web, "acme")}, headers=bearer(ADMIN))
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (400, "token_in_url")


def test_no_line_of_the_log_has_a_token(web: FlaskClient) -> None:
    token = token_of(web, "acme")
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        web.get("/jobs/j1", headers=bearer(token))
        web.get(f"/jobs?token={token}", headers=bearer(token))
        web.get("/jobs/j1", headers=bearer(token + "x"))
    assert [line.get("client_id") for line in lines] == ["acme", None, None]
    assert token not in repr(lines)


def test_a_client_is_shown_once_and_then_only_by_name(web: FlaskClient) -> None:
    answer = admin(web, "POST", "/clients", {"client_id": "acme"})
    made = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (201, "/clients/acme")
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(made) == {"client_id", "token", "webhook_secret"}
    assert made["token"].startswith("dubq_")
    assert made["webhook_secret"].startswith("whsec_")
    known = {
        "client_id": "acme",
        "created_at": "2026-01-01T00:00:00.000Z",
        "tokens": [{"until": None}],
        "limits": dict.fromkeys(("requests", "queued", "running", "streams")),
        "limits_in_force": dict.fromkeys(("requests", "queued", "running", "streams")),
    }
    assert admin(web, "GET", "/clients/acme").get_json() == known
    assert admin(web, "GET", "/clients").get_json() == {"clients": [known]}


@pytest.mark.parametrize("client_id", ["", "A", "a_b", "a:b", "a*", "a?", "[a]", "-a", "a" * 33, "é", "a\n", None, 1])
def test_a_client_id_means_nothing_in_a_pattern_a_key_or_a_url(web: FlaskClient, client_id: Any) -> None:
    answer = admin(web, "POST", "/clients", {"client_id": client_id})
    assert (answer.status_code, answer.get_json(force=True)["errors"][0]["pointer"]) == (422, "/client_id")


def test_a_second_client_of_one_name_is_refused(web: FlaskClient) -> None:
    token = token_of(web, "acme")
    answer = admin(web, "POST", "/clients", {"client_id": "acme"})
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (409, "client_exists")
    assert web.get("/jobs", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/clients"),
        ("GET", "/clients"),
        ("GET", "/clients/acme"),
        ("DELETE", "/clients/acme"),
        ("POST", "/clients/acme/token"),
        ("GET", "/clients/nobody"),
    ],
)
def test_only_the_admin_sees_to_clients(web: FlaskClient, method: str, path: str) -> None:
    token = token_of(web, "acme")
    answer = admin(web, method, path, {"client_id": "another"} if method == "POST" else None, token)
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "forbidden")
    assert [each["client_id"] for each in admin(web, "GET", "/clients").get_json()["clients"]] == ["acme"]


@pytest.mark.parametrize("name", ["nobody", "No_Name", "%00"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("POST", "/token")])
def test_a_client_that_is_not_there_is_a_404(web: FlaskClient, method: str, rest: str, name: str) -> None:
    answer = admin(web, method, f"/clients/{name}{rest}")
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (404, "client_not_found")


@pytest.mark.parametrize(
    ("body", "lives_s"), [({}, 3600), ({"overlap_s": 60}, 60), ({"overlap_s": 0}, 0), (None, 3600)]
)
def test_the_old_token_lets_in_for_the_overlap(
    web: FlaskClient, clock: Clock, connection: redis.Redis, shut: Flask, body: Any, lives_s: int
) -> None:
    old = token_of(web, "acme")
    answer = admin(web, "POST", "/clients/acme/token", body)
    assert answer.status_code == 200
    assert set(answer.get_json()) == {"client_id", "token", "webhook_secret"}
    ends = [None, to_rfc3339(START + timedelta(seconds=lives_s))] if lives_s else [None]
    assert [each["until"] for each in admin(web, "GET", "/clients/acme").get_json()["tokens"]] == ends
    clock.pass_s(lives_s)
    Keeper(SETTINGS, Clients(connection, clock)).turn()
    shut.extensions[DOORKEEPER].forget()
    assert web.get("/jobs", headers=bearer(old)).status_code == 401
    assert web.get("/jobs", headers=bearer(answer.get_json()["token"])).status_code == 200


@pytest.mark.parametrize("body", [{"overlap_s": -1}, {"overlap_s": 604801}, {"overlap_s": "1"}, {"overlap": 1}])
def test_an_overlap_that_is_none_is_refused(web: FlaskClient, body: Any) -> None:
    token_of(web, "acme")
    assert admin(web, "POST", "/clients/acme/token", body).status_code == 422


def test_a_deleted_client_is_let_in_no_more(web: FlaskClient, shut: Flask) -> None:
    token = token_of(web, "acme")
    assert web.post("/jobs", json=BODY, headers=bearer(token)).status_code == 202
    assert admin(web, "DELETE", "/clients/acme").status_code == 204
    shut.extensions[DOORKEEPER].forget()
    assert web.get("/jobs", headers=bearer(token)).status_code == 401
    assert admin(web, "GET", "/clients/acme").status_code == 404


def test_the_admin_acts_for_the_client_that_it_names(web: FlaskClient) -> None:
    token = token_of(web, "acme")
    job_id = web.post("/jobs", json=BODY, headers=bearer(token)).get_json()["job_id"]
    for_acme = bearer(ADMIN, X_Client_Id="acme")
    assert web.get(f"/jobs/{job_id}", headers=for_acme).status_code == 200
    assert web.post(f"/jobs/{job_id}/cancel", headers=for_acme).status_code == 200
    assert web.get(f"/jobs/{job_id}", headers=bearer(ADMIN)).status_code == 404
    assert web.get("/connect", headers=for_acme).get_json()["redis"] is None


def test_nobody_else_acts_for_another(web: FlaskClient) -> None:
    token = token_of(web, "acme")
    token_of(web, "other")
    for name in ("other", "nobody", "default", "", "*"):
        answer = web.get("/jobs", headers=bearer(token, X_Client_Id=name))
        assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "forbidden")
    assert web.get("/jobs", headers=bearer(token, X_Client_Id="acme")).status_code == 200


def test_a_client_is_told_where_its_own_redis_user_logs_in(web: FlaskClient) -> None:
    roads = web.get("/connect", headers=bearer(token_of(web, "acme"))).get_json()
    assert roads == {
        "client_id": "acme",
        "redis": {"url": "redis://dubq-acme@127.0.0.1:6379", "channel": "dubq:events:acme:*"},
        "sse": True,
        "long_poll_s": 60,
    }


def test_a_process_relies_on_what_it_has_read_of_a_token_for_a_second(connection: redis.Redis) -> None:
    clients = Clients(connection)
    token = clients.create("acme").token
    now_s = [0.0]
    doorkeeper = Doorkeeper(SETTINGS, Door(connection), Sessions(connection), lambda: now_s[0])
    app = create_app(SETTINGS, connection)
    looks = app.before_request_funcs[None]
    looks[looks.index(app.extensions[DOORKEEPER]._let_in)] = doorkeeper._let_in
    web = app.test_client()
    assert web.get("/jobs", headers=bearer(token)).status_code == 200
    connection.flushall()
    now_s[0] = 0.99
    assert web.get("/jobs", headers=bearer(token)).status_code == 200
    now_s[0] = 1.0
    assert web.get("/jobs", headers=bearer(token)).status_code == 401


@contextmanager
def streaming(web: FlaskClient, token: str, path: str) -> Iterator[Iterator[str]]:
    with opened(web, path, Authorization=f"Bearer {token}") as blocks:
        next(blocks)
        yield blocks


def test_streams_end_with_the_token_and_those_of_others_go_on(
    web: FlaskClient, shut_hub: Hub, shut: Flask, connection: redis.Redis
) -> None:
    acme, other = token_of(web, "acme"), token_of(web, "other")
    job_id = web.post("/jobs", json=BODY, headers=bearer(acme)).get_json()["job_id"]
    forget = shut.extensions[DOORKEEPER].forget
    listener = Listener(connection, shut_hub, forget=forget, tick_s=0.02)
    listener.start()
    try:
        eventually(lambda: connection.pubsub_numpat() == 1)
        with (
            streaming(web, acme, "/events") as first,
            streaming(web, acme, f"/jobs/{job_id}/events") as second,
            streaming(web, other, "/events") as others,
        ):
            admin(web, "DELETE", "/clients/acme")
            for blocks in (first, second):
                assert [each for each in blocks if not each.startswith((": ping", "id:"))] == ["retry: 1000"]
            assert web.get("/events", headers=bearer(acme)).status_code == 401
            assert next(others).startswith(": ping")
    finally:
        listener.stop()


@pytest.mark.parametrize("given", [None, ADMIN])
def test_an_admin_s_token_is_made_unless_there_is_one_and_shown_once(
    connection: redis.Redis, capfd: pytest.CaptureFixture[str], given: str | None
) -> None:
    settings = ApiSettings(auth=True, admin_token=given)
    for _ in range(2):  # two processes, and a restart
        Keeper(settings, Clients(connection)).turn()
    shown = [line.rpartition(" ")[2] for line in capfd.readouterr().err.splitlines() if "admin's token" in line]
    assert len(shown) == (given is None)
    web = create_app(settings, connection).test_client()
    token = given or shown[0]
    assert token.startswith("dubq_admin_" if given is None else given)
    assert web.get("/clients", headers=bearer(token)).status_code == 200


def test_where_nobody_is_asked_for_a_token_everybody_is_the_admin(connection: redis.Redis) -> None:
    web = create_app(ApiSettings(), connection).test_client()
    assert web.post("/clients", json={"client_id": "acme"}).status_code == 201
    assert web.post("/jobs", json=BODY, headers={"X-Client-Id": "acme"}).get_json()["client_id"] == "acme"
    assert web.get("/jobs").get_json()["jobs"] == []
