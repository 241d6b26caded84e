"""Who is told of a client's jobs: the routes, on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api.app import DOORKEEPER, create_app
from api.settings import ApiSettings
from contract.notice import MOST_TARGETS
from store.settings import StoreSettings

if TYPE_CHECKING:
    import redis
    from flask import Flask
    from flask.testing import FlaskClient
    from given import Clock

ADMIN = "the-admin-s-own-token"
URL = "slack://token-a/token-b/token-c"


@pytest.fixture(scope="module")
def app(used: redis.Redis, moved: Clock) -> Flask:
    store = StoreSettings(notify_schemes=frozenset({"slack", "mailtos"}))
    return create_app(ApiSettings(store=store, auth=True, admin_token=ADMIN), used, clock=moved)


@pytest.fixture
def web(app: Flask, connection: redis.Redis, clock: Clock) -> FlaskClient:  # noqa: ARG001 - emptied, and set back
    app.extensions[DOORKEEPER].forget()
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {ADMIN}"
    return client


def told(web: FlaskClient, **headers: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web.get("/notifications", headers=headers).get_json()["targets"]
    return found


def test_a_target_is_shown_without_its_url_and_removed_by_its_id(web: FlaskClient, connection: redis.Redis) -> None:
    answer = web.post("/notifications", json={"url": URL, "on": ["error", "completed"]})
    made = answer.get_json()
    assert (answer.status_code, made["scheme"], made["on"]) == (201, "slack", ["completed", "error"])
    assert b"token-a" not in answer.data + web.get("/notifications").data
    assert told(web) == [made]
    assert web.get("/notifications").get_json()["schemes"] == ["mailtos", "slack"]
    again = web.post("/notifications", json={"url": URL})
    assert (again.status_code, again.get_json()["target_id"]) == (200, made["target_id"])
    assert again.get_json()["on"] == ["completed", "error", "cancelled"]
    assert web.delete(f"/notifications/{made['target_id']}").status_code == 204
    assert web.delete(f"/notifications/{made['target_id']}").status_code == 404
    assert connection.keys("dubq:targets:*") == []


def test_each_client_has_its_own_and_the_admin_may_act_for_it(web: FlaskClient) -> None:
    web.post("/notifications", json={"url": URL}, headers={"X-Client-Id": "acme"})
    assert len(told(web, **{"X-Client-Id": "acme"})) == 1
    assert told(web) == []
    (target,) = told(web, **{"X-Client-Id": "acme"})
    assert web.delete(f"/notifications/{target['target_id']}").status_code == 404


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "json://127.0.0.1/secret"}, "/url"),
        ({"url": "secret"}, "/url"),
        ({"url": "slack://" + "secret" * 400}, "/url"),
        ({"url": "slack://a secret"}, "/url"),
        ({"url": 7}, "/url"),
        ({}, "/url"),
        ({"url": URL, "on": []}, "/on"),
        ({"url": URL, "on": ["running"]}, "/on/0"),
        ({"url": URL, "on": ["exploded"]}, "/on/0"),
        ({"url": URL, "more": 1}, "/more"),
    ],
)
def test_what_is_wrong_is_said_without_repeating_a_secret(web: FlaskClient, body: dict[str, Any], pointer: str) -> None:
    answer = web.post("/notifications", json=body)
    assert (answer.status_code, [each["pointer"] for each in answer.get_json()["errors"]]) == (422, [pointer])
    assert b"secret" not in answer.data


def test_a_client_has_so_many_and_no_more(web: FlaskClient) -> None:
    for number in range(MOST_TARGETS):
        assert web.post("/notifications", json={"url": f"slack://{number}"}).status_code == 201
    assert web.post("/notifications", json={"url": URL}).status_code == 422


def test_there_are_none_where_the_operator_allows_nothing(connection: redis.Redis) -> None:
    web = create_app(ApiSettings(), connection).test_client()
    assert web.get("/notifications").get_json() == {"targets": [], "schemes": []}
    answer = web.post("/notifications", json={"url": URL})
    assert answer.get_json()["errors"][0]["message"].endswith("there are no notifications here")
