"""What the tests of one process stand on: the API without a socket in between, and a run in a world of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from documented import DocumentedClient
from keyspace import keyspace
from replying import Service
from world import LOGGER, World

from api.settings import ApiSettings
from store.hub import Hub
from store.ledger import Ledger
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import fakeredis
    import redis
    from faces import Face
    from flask import Flask
    from flask.testing import FlaskClient
    from given import Clock

PING_S = 0.05


@pytest.fixture(scope="module")
def hub() -> Hub:
    """Return the hub of `web`, which nobody feeds: for that there is `listening`. Who joins it has to leave it."""
    return Hub()


@pytest.fixture(scope="module")
def app(used: redis.Redis, moved: Clock, hub: Hub) -> Flask:
    """Return an application for all tests of a module: its routes take long to compile."""
    from api.app import create_app  # noqa: PLC0415 - slow to import, and the fastest tier has little use for it

    app = create_app(ApiSettings(), used, clock=moved, hub=hub, ping_s=lambda _: PING_S)
    app.test_client_class = DocumentedClient
    return app


@pytest.fixture
def web(app: Flask, connection: redis.Redis, clock: Clock) -> FlaskClient:  # noqa: ARG001 - emptied, and set back
    return app.test_client()


@pytest.fixture
def nothing_changes(connection: redis.Redis) -> Iterator[Callable[[], None]]:
    """Compare the whole keyspace before and after; what it gives sets the mark anew, once all is prepared."""
    before = keyspace(connection)

    def mark() -> None:
        before.clear()
        before.update(keyspace(connection))

    yield mark
    assert keyspace(connection) == before


@pytest.fixture
def over_both_faces(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the services in memory asked by either face, and none of the environment's."""
    Service.face = face
    for name in ("DUBQ_URL", "DUBQ_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def world(ledger: Ledger, clock: Clock) -> World:
    made = World(ledger, clock, logging.getLogger(LOGGER))
    made.submit()
    return made


@pytest.fixture(params=[pytest.param("fakeredis", marks=pytest.mark.store)])
def server() -> fakeredis.FakeServer:
    """Return the server of a fake Redis, which can be switched off."""
    import fakeredis  # noqa: PLC0415 - slow to import, and the fastest tier has no use for it

    return fakeredis.FakeServer(version=(7,))


@pytest.fixture
def fake(server: fakeredis.FakeServer) -> fakeredis.FakeRedis:
    """Return a Redis that can be switched off."""
    import fakeredis  # noqa: PLC0415 - as above

    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def shaky(server: fakeredis.FakeServer, fake: fakeredis.FakeRedis, clock: Clock) -> Iterator[World]:
    """Give a world whose Redis can be switched off."""
    made = World(Ledger(fake, StoreSettings(), clock), clock, logging.getLogger(LOGGER))
    made.submit()
    yield made
    server.connected = True
