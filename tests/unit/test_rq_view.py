"""RQ's own dashboard, for the admin's eyes alone and for reading alone."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from news import BODY
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from api.app import DOORKEEPER, create_app
from api.settings import ApiSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import redis
    from flask import Flask
    from flask.testing import FlaskClient
    from given import Clock

ADMIN = "the-admin-s-own-token"
TOKEN = {"X-Api-Key": ADMIN}


@pytest.fixture(scope="module")
def shut(used: redis.Redis, moved: Clock) -> Flask:
    return create_app(ApiSettings(auth=True, admin_token=ADMIN), used, clock=moved)


@pytest.fixture
def guarded(shut: Flask, connection: redis.Redis, clock: Clock) -> FlaskClient:  # noqa: ARG001 - emptied, and set back
    shut.extensions[DOORKEEPER].forget()
    return shut.test_client()


@pytest.fixture
def worker(connection: redis.Redis) -> Worker:
    made = Worker([Queue("default", connection=connection)], connection=connection, serializer=JSONSerializer)
    made.register_birth()
    return made


def test_the_admin_sees_queues_workers_and_jobs(guarded: FlaskClient, worker: Worker) -> None:
    guarded.post("/jobs", json=BODY | {"job_id": "j1"}, headers=TOKEN)

    def told(path: str) -> Any:
        return guarded.get(f"/admin/rq/0/data/{path}.json", headers=TOKEN).get_json()

    for path in ("", "0/view/queues", "0/view/workers", "0/view/jobs", "0/view/job/j1"):
        assert guarded.get(f"/admin/rq/{path}", headers=TOKEN, follow_redirects=True).status_code == 200
    assert [(each["name"], each["count"]) for each in told("queues")["queues"]] == [("default", 1)]
    assert [each["name"] for each in told("workers")["workers"]] == [worker.name]
    assert [each["id"] for each in told("jobs/default/queued/8/asc/1")["jobs"]] == ["j1"]
    assert told("job/j1")["status"] == "queued"


def test_nobody_else_does(guarded: FlaskClient) -> None:
    client = guarded.post("/clients", json={"client_id": "acme"}, headers=TOKEN).get_json()["token"]
    for path in ("", "0/data/queues.json"):
        assert guarded.get(f"/admin/rq/{path}").status_code == 401
        assert guarded.get(f"/admin/rq/{path}", headers={"X-Api-Key": client}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "job/j1/delete"),
        ("POST", "job/j1/requeue"),
        ("POST", "queue/default/queued/empty"),
        ("POST", "queue/default/compact"),
        ("POST", "requeue/default"),
        ("GET", "requeue/default"),
        ("DELETE", ""),
    ],
)
def test_it_changes_nothing(guarded: FlaskClient, method: str, path: str, nothing_changes: Callable[[], None]) -> None:
    guarded.post("/jobs", json=BODY | {"job_id": "j1"}, headers=TOKEN)
    nothing_changes()
    assert guarded.open(f"/admin/rq/{path}", method=method, headers=TOKEN).status_code in {404, 405}


@pytest.mark.parametrize(
    "path",
    ["nothing", "7/view/queues", "0/data/jobs/default/none/8/asc/1.json", "0/data/job/none.json",
     "0/data/jobs/default/queued/x/asc/1.json", "0/data/jobs/default/queued/0/asc/1.json"],
)  # fmt: skip
def test_an_address_that_it_does_not_know_is_a_404(guarded: FlaskClient, path: str) -> None:
    assert guarded.get(f"/admin/rq/{path}", headers=TOKEN).status_code == 404


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_it_unpickles_nothing(guarded: FlaskClient, connection: redis.Redis, worker: Worker, tmp_path: Path) -> None:
    guarded.post("/jobs", json=BODY | {"job_id": "j1"}, headers=TOKEN)
    bomb = pickle.dumps(Bomb(tmp_path / "boom"))
    connection.hset("rq:job:j1", mapping={"data": bomb, "meta": bomb, "result": bomb})
    connection.hset(worker.key, "current_job", "j1")
    for path in ("0/data/workers", "0/data/job/j1", "0/data/jobs/default/queued/8/asc/1"):
        assert guarded.get(f"/admin/rq/{path}.json", headers=TOKEN).status_code in {200, 404}
    assert not (tmp_path / "boom").exists()
    pickle.loads(bomb)  # noqa: S301 - which would have made it
    assert (tmp_path / "boom").exists()


def test_without_the_extra_there_is_none(connection: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.page.rq_view.find_spec", lambda _: None)
    web = create_app(ApiSettings(), connection).test_client()
    assert web.get("/admin/rq/").status_code == 404
    assert "/admin/rq" not in web.get("/").text
