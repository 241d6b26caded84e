"""The sections about the service: who is shown them, and where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.app import DOORKEEPER, create_app
from api.settings import ApiSettings

if TYPE_CHECKING:
    import redis
    from flask import Flask
    from flask.testing import FlaskClient
    from given import Clock

ADMIN = {"Authorization": "Bearer the-admin-s-own-token", "Accept": "text/html"}


@pytest.fixture(scope="module")
def app(used: redis.Redis, moved: Clock) -> Flask:
    return create_app(ApiSettings(auth=True, admin_token="the-admin-s-own-token"), used, clock=moved)  # noqa: S106


@pytest.fixture
def web(app: Flask, connection: redis.Redis, clock: Clock) -> FlaskClient:  # noqa: ARG001 - emptied, and set back
    app.extensions[DOORKEEPER].forget()
    return app.test_client()


@pytest.fixture
def acme(web: FlaskClient) -> dict[str, str]:
    made = web.post("/clients", json={"client_id": "acme"}, headers=ADMIN).get_json()
    return {"Authorization": f"Bearer {made['token']}", "Accept": "text/html"}


def test_how_the_service_does_is_the_admins_to_look_at(web: FlaskClient, acme: dict[str, str]) -> None:
    for path in ("/page/service", "/page/statistics"):
        assert web.get(path, headers=ADMIN).status_code == 200
        assert web.get(path, headers=acme).status_code == 403
    assert b'href="/page/service"' in web.get("/", headers=ADMIN).data
    assert b'href="/page/service"' not in web.get("/", headers=acme).data


def test_a_client_moves_its_own_clock_and_plays_no_outages(web: FlaskClient, acme: dict[str, str]) -> None:
    shown = web.get("/page/simulator", headers=acme)
    assert (shown.status_code, b'id="clock"' in shown.data, b"h-outage" in shown.data) == (200, True, False)
    assert b"DUBQ_SIM_OUTAGES=on" in web.get("/page/simulator", headers=ADMIN).data
    assert web.get("/page/notifications", headers=acme).status_code == 200


def test_there_are_no_controls_where_nothing_is_simulated(connection: redis.Redis) -> None:
    web = create_app(ApiSettings(engines=("mine:Engine",)), connection).test_client()
    assert web.get("/page/simulator").status_code == 404
    assert b'href="/page/simulator"' not in web.get("/").data
