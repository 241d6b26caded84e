"""The routes about a job's webhooks do what the contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from given import OUTPUT, begun, made

from api.app import create_app
from api.settings import ApiSettings
from contract.addresses import parse_networks
from contract.delivery import answered

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from flask.testing import FlaskClient

    from store.jobs import JobStore
    from store.ledger import Ledger
    from store.runs import RunStore

URL = "https://example.com/hook"


@pytest.fixture
def owed(jobs: JobStore, runs: RunStore) -> str:
    """Return the path to the webhooks of a job that has just ended."""
    begun(jobs, runs, callback_url=URL).complete(OUTPUT)
    return "/jobs/j1/deliveries"


def told(web: FlaskClient, path: str) -> list[dict[str, Any]]:
    answer = web.get(path)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.get_json()["deliveries"]
    return found


def test_a_delivery_is_told_with_its_attempts(web: FlaskClient, owed: str, ledger: Ledger) -> None:
    (delivery,) = told(web, owed)
    parcel = ledger.outbox.begin(delivery["delivery_id"], 18)
    assert parcel is not None
    ledger.outbox.settle(parcel, answered(503), chance=0)
    assert told(web, owed) == [
        {
            "delivery_id": delivery["delivery_id"],
            "job_id": "j1",
            "kind": "webhook",
            "type": "translation.completed",
            "url": URL,
            "state": "pending",
            "created_at": "2026-01-01T00:00:00.000Z",
            "next_attempt_at": "2026-01-01T00:00:05.000Z",
            "tried": 1,
            "attempts": [{"at": "2026-01-01T00:00:00.000Z", "status": 503, "duration_s": 0.0, "error": "answered 503"}],
        }
    ]


def test_a_job_that_owes_nothing_has_no_deliveries(web: FlaskClient, jobs: JobStore) -> None:
    made(jobs)
    assert told(web, "/jobs/j1/deliveries") == []


def test_a_delivery_is_sent_again_for_the_asking(web: FlaskClient, owed: str, ledger: Ledger) -> None:
    delivery_id = told(web, owed)[0]["delivery_id"]
    parcel = ledger.outbox.begin(delivery_id, 18)
    assert parcel is not None
    ledger.outbox.settle(parcel, answered(410), chance=0)
    assert told(web, owed)[0]["state"] == "failed"
    answer = web.post(f"{owed}/{delivery_id}/redeliver")
    assert (answer.status_code, answer.get_json()) == (202, told(web, owed)[0])
    assert (answer.get_json()["state"], answer.get_json()["tried"]) == ("pending", 0)


@pytest.mark.usefixtures("nothing_changes")
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/jobs/none/deliveries", "job_not_found"),
        ("GET", "/jobs/a b/deliveries", "job_not_found"),
        ("POST", "/jobs/none/deliveries/msg_1/redeliver", "delivery_not_found"),
        ("POST", "/jobs/a%0Ab/deliveries/msg_1/redeliver", "job_not_found"),
        ("POST", "/jobs/none/deliveries/%00/redeliver", "delivery_not_found"),
        ("POST", "/jobs/none/deliveries/" + "x" * 3000 + "/redeliver", "delivery_not_found"),
    ],
)
def test_what_is_not_there_is_a_404(web: FlaskClient, method: str, path: str, code: str) -> None:
    answer = web.open(path, method=method)
    assert (answer.status_code, answer.get_json()["code"]) == (404, code)


def test_somebody_elses_webhooks_do_not_exist(
    web: FlaskClient, jobs: JobStore, runs: RunStore, ledger: Ledger, connection: redis.Redis
) -> None:
    begun(jobs, runs, client_id="another", callback_url=URL).complete(OUTPUT)
    (delivery,) = ledger.outbox.of_job("j1", "another")
    waiting = connection.lrange("rq:queue:webhooks", 0, -1)
    assert web.get("/jobs/j1/deliveries").status_code == 404
    assert web.post(f"/jobs/j1/deliveries/{delivery.delivery_id}/redeliver").status_code == 404
    assert connection.lrange("rq:queue:webhooks", 0, -1) == waiting
    assert ledger.outbox.of_job("j1", "another") == [delivery]


SUBMITS: dict[str, Callable[[FlaskClient, dict[str, Any]], int]] = {
    "one": lambda web, body: web.post("/jobs", json=body).status_code,
    "batch": lambda web, body: int(web.post("/jobs/batch", json={"jobs": [body]}).get_json()["results"][0]["status"]),
}


@pytest.mark.parametrize("submit", SUBMITS)
def test_an_operator_allows_addresses_that_are_not_public(submit: str, connection: redis.Redis) -> None:
    body = {"video_url": URL, "callback_url": "http://10.1.2.3:8000/hook"}
    strict = create_app(ApiSettings(), connection).test_client()
    assert SUBMITS[submit](strict, body) == 422
    lenient = create_app(ApiSettings(webhook_private=parse_networks("10.1.0.0/16")), connection).test_client()
    assert SUBMITS[submit](lenient, body) == 202
    assert SUBMITS[submit](lenient, body | {"callback_url": "http://10.2.0.1/"}) == 422
