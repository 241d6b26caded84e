"""The API over an empty Redis, asked without a socket in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from keyspace import keyspace

from api.app import create_app
from api.settings import ApiSettings
from store.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from flask import Flask
    from flask.testing import FlaskClient
    from given import Clock

PING_S = 0.2


@pytest.fixture(scope="module")
def hub() -> Hub:
    """Return the hub of `web`, which nobody feeds: for that there is `listening`. Who joins it has to leave it."""
    return Hub()


@pytest.fixture(scope="module")
def app(used: redis.Redis, moved: Clock, hub: Hub) -> Flask:
    """Return an application for all tests of a module: its routes take long to compile."""
    return create_app(ApiSettings(), used, clock=moved, hub=hub, ping_s=PING_S)


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
