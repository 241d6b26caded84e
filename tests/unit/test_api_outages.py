"""Outages that an operator plays: off unless asked for, over when they end, and what they do meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import pytest

from api.app import create_app
from api.caller import Doorkeeper
from api.outages import Latency, OutageRoutes
from api.settings import ApiSettings
from api.shedding import Shedder
from contract import law
from store.clients import Clients
from store.door import Door
from store.outages import Kind, Outage, OutageStore
from store.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from flask.testing import FlaskClient

JOB = {"video_url": "https://example.com/v.mp4"}


@pytest.fixture
def playing(connection: redis.Redis) -> FlaskClient:
    return create_app(ApiSettings(sim_outages=True), connection).test_client()


def begin(web: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = web.post("/simulator/outage", json=body)
    assert answer.status_code == 200, answer.data
    told: dict[str, Any] = answer.get_json()
    return told


@pytest.mark.parametrize("kind", ["unavailable", "dropped"])
def test_while_it_lasts_nothing_is_accepted_and_afterwards_all_is_as_before(playing: FlaskClient, kind: str) -> None:
    told = begin(playing, kind=kind, for_s=60)
    assert (told["kind"], told["share"], told["latency"]) == (kind, 1.0, None)
    assert 59 < told["left_s"] <= 60
    refused = playing.post("/jobs", json=JOB)
    assert (refused.status_code, refused.get_json()["code"]) == (503, "unavailable")
    assert "Retry-After" in refused.headers
    assert playing.get("/healthz").status_code == 200
    assert playing.delete("/simulator/outage").get_json()["kind"] is None
    assert playing.post("/jobs", json=JOB).status_code == 202


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_where_tokens_are_asked_for_outages_are_the_admin_s_and_befall_all(
    connection: redis.Redis, method: str
) -> None:
    web = create_app(ApiSettings(sim_outages=True, auth=True, admin_token="a" * 20), connection).test_client()
    admin, client = {"X-Api-Key": "a" * 20}, {"X-Api-Key": Clients(connection).create("acme").token}
    OutageStore(connection).begin(Outage(kind=Kind.UNAVAILABLE), 60)

    def ask(headers: dict[str, str]) -> int:
        body = {"kind": "dropped", "for_s": 60} if method == "POST" else None
        return web.open("/simulator/outage", method=method, json=body, headers=headers).status_code

    assert (ask({}), ask(client)) == (401, 403)
    assert OutageStore(connection).present() == Outage(kind=Kind.UNAVAILABLE)
    assert [web.get("/jobs", headers=each).status_code for each in ({}, client, admin)] == [503, 503, 503]
    assert ask(admin) == 200


def test_it_is_over_by_itself(playing: FlaskClient, connection: redis.Redis) -> None:
    begin(playing, kind="unavailable", for_s=0.001)
    while connection.exists("dubq:outage"):
        pass
    assert playing.get("/jobs").status_code == 200


def test_a_slow_service_answers_after_what_the_law_has_drawn(connection: redis.Redis) -> None:
    pauses: list[float] = []
    app = flask.Flask("slow")
    app.add_url_rule("/jobs", view_func=lambda: "answered")
    Shedder(10).mount(app)
    Doorkeeper(ApiSettings(), Door(connection), Sessions(connection)).mount(app)
    OutageRoutes(OutageStore(connection), pause=pauses.append).mount(app)
    web = app.test_client()
    begin(web, kind="slow", for_s=60, latency="fixed:2.5")
    assert web.get("/jobs").text == "answered"
    begin(web, kind="slow", for_s=60, latency="fixed:86400")
    assert web.get("/jobs").text == "answered"
    begin(web, kind="slow", for_s=60)
    assert web.get("/jobs").text == "answered"
    assert pauses[:2] == [2.5, 60]
    assert 1 <= pauses[2] <= 3


def test_a_share_of_the_requests_is_struck_and_the_others_are_not(playing: FlaskClient) -> None:
    begin(playing, kind="unavailable", for_s=60, share=0.5)
    struck = sum(playing.get("/jobs").status_code == 503 for _ in range(60))
    assert 10 < struck < 50  # five standard deviations


def test_the_same_seed_strikes_the_same_requests(connection: redis.Redis) -> None:
    def struck() -> list[int]:
        web = create_app(ApiSettings(sim_outages=True, sim_seed="7"), connection).test_client()
        return [web.get("/jobs").status_code for _ in range(20)]

    OutageStore(connection).begin(Outage(kind=Kind.UNAVAILABLE, share=0.5), 60)
    first = struck()
    assert {200, 503} == {*first}
    assert struck() == first


def test_a_standing_latency_holds_up_the_api_and_not_who_watches_over_it() -> None:
    pauses: list[float] = []
    app = flask.Flask("slow")
    for path in ("/jobs", "/healthz"):
        app.add_url_rule(path, endpoint=path, view_func=lambda: "answered")
    Latency(law.parse("fixed:0.2"), pause=pauses.append).mount(app)
    assert [app.test_client().get(path).text for path in ("/jobs", "/healthz")] == ["answered"] * 2
    assert pauses == [0.2]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "/kind /for_s"),
    ({"kind": "flood", "for_s": 1}, "/kind"),
    ({"kind": "slow", "for_s": 0}, "/for_s"),
    ({"kind": "slow", "for_s": -1}, "/for_s"),
    ({"kind": "slow", "for_s": 1e9}, "/for_s"),
    ({"kind": "slow", "for_s": 1, "share": 0}, "/share"),
    ({"kind": "slow", "for_s": 1, "share": 1.5}, "/share"),
    ({"kind": "slow", "for_s": 1, "latency": "fixed:-1"}, "/latency"),
    ({"kind": "slow", "for_s": 1, "latency": "soon"}, "/latency"),
    ({"kind": "dropped", "for_s": 1, "latency": "fixed:1"}, "/latency"),
    ({"kind": "slow", "for_s": 1, "more": 1}, "/more"),
]


@pytest.mark.parametrize(("body", "pointers"), WRONG)
def test_what_is_no_outage_is_refused_and_begins_none(
    playing: FlaskClient, nothing_changes: Callable[[], None], body: dict[str, Any], pointers: str
) -> None:
    nothing_changes()
    answer = playing.post("/simulator/outage", json=body)
    assert answer.status_code == 422
    assert " ".join(each["pointer"] for each in answer.get_json()["errors"]) == pointers


@pytest.mark.parametrize(
    "settings", [ApiSettings(), ApiSettings(sim_outages=True, sim_latency=law.parse("fixed:9"), engines=("acme",))]
)
def test_nobody_can_play_one_unless_it_was_allowed_and_the_simulator_runs(
    connection: redis.Redis, settings: ApiSettings
) -> None:
    web = create_app(settings, connection).test_client()
    assert web.post("/simulator/outage", json={"kind": "unavailable", "for_s": 60}).status_code == 404
    OutageStore(connection).begin(Outage(kind=Kind.UNAVAILABLE), 60)
    assert web.get("/jobs").status_code == 200
