"""How the service does, minute by minute, on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from given import OUTPUT, begun, made
from news import submit

from api.app import create_app
from api.settings import ApiSettings
from contract.job import Priority
from store import keys
from store.minutes import KEPT_S, Minutes

if TYPE_CHECKING:
    import redis
    from flask.testing import FlaskClient
    from given import Clock

    from store.jobs import JobStore
    from store.runs import RunStore

ADMIN = "the-admin-s-own-token"


def test_the_service_is_told_as_it_stands_and_minute_by_minute(
    web: FlaskClient, jobs: JobStore, runs: RunStore, connection: redis.Redis, clock: Clock
) -> None:
    minutes = Minutes(connection, clock)
    minutes.keep()
    begun(jobs, runs).complete(OUTPUT)
    clock.pass_s(60)
    minutes.keep()
    made(jobs, "j2", at=clock(), priority=Priority.HIGH)
    clock.pass_s(5)
    minutes.keep()
    told = web.get("/statistics").get_json()
    assert (told["now"]["queued"], told["now"]["running"]) == ({"high": 1, "default": 0, "low": 0}, 0)
    assert (told["now"]["oldest_s"]["high"], told["now"]["workers"]) == (5.0, [])
    assert (told["at"], told["minutes"][-1], len(told["minutes"])) == (
        "2026-01-01T00:01:05.000Z",
        "2026-01-01T00:01:00.000Z",
        60,
    )
    assert told["counted"]["submitted"][-3:] == [None, 1, 1]
    assert told["counted"]["completed"][-3:] == [None, 1, 0]
    assert told["measured"]["queued:high"][-3:] == [0, 0, 1]
    assert (told["whole"]["counted"]["submitted"], told["whole"]["error_rate"]) == (2, 0.0)
    assert told["whole"]["durations"]["run"]["count"] == 1


def test_a_service_that_has_just_begun_knows_nothing_of_the_hour(web: FlaskClient, clock: Clock) -> None:
    clock.pass_s(7200)
    told = web.get("/statistics").get_json()
    assert set(told["counted"]["submitted"]) == {None}
    assert (told["whole"]["error_rate"], told["whole"]["durations"]["run"]) == (None, None)


def test_it_is_the_admins_to_look_at(connection: redis.Redis, clock: Clock) -> None:
    web = create_app(ApiSettings(auth=True, admin_token=ADMIN), connection, clock=clock).test_client()
    admin = {"Authorization": f"Bearer {ADMIN}"}
    client = web.post("/clients", json={"client_id": "acme"}, headers=admin).get_json()
    assert web.get("/statistics", headers=admin).status_code == 200
    assert web.get("/statistics", headers={"Authorization": f"Bearer {client['token']}"}).status_code == 403
    assert web.get("/statistics").status_code == 401


def test_a_minute_is_copied_once_as_the_first_who_comes_finds_it(
    web: FlaskClient, connection: redis.Redis, clock: Clock
) -> None:
    first, second = Minutes(connection, clock), Minutes(connection, clock)
    submit(web)
    first.keep()
    submit(web, "j2")
    second.keep()
    first.keep()
    (found,) = first.read([first.now])
    assert found is not None
    assert (found["jobs_submitted|default"], found["queued:default"]) == (1, 1)
    assert 0 < connection.ttl(keys.minute(first.now)) <= KEPT_S
    clock.pass_s(60)
    assert second.read([second.now]) == [None]
    second.keep()
    (found,) = second.read([second.now])
    assert found is not None
    assert found["jobs_submitted|default"] == 2


def test_a_worker_is_told_with_what_it_holds(web: FlaskClient, connection: redis.Redis) -> None:
    facts = {"queues": "webhooks,default", "hostname": "h", "pid": 7, "slots": 500}
    connection.hset("rq:worker:w1", mapping=facts)
    connection.hset("rq:worker:w2", mapping={"queues": "default", "hostname": "h", "pid": 8})
    connection.sadd("rq:worker:w1:executions", "j1:1", "j2:1")
    connection.sadd("rq:workers", "rq:worker:w1", "rq:worker:w2", "rq:worker:dead")
    first, second = web.get("/statistics").get_json()["now"]["workers"]
    queues = ["webhooks", "default"]
    assert first == {"name": "w1", "queues": queues, "host": "h", "pid": 7, "slots": 500, "holds": 2}
    assert (second["name"], second["slots"], second["holds"]) == ("w2", 1, 0)
