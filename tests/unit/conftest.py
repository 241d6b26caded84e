"""The API over an empty Redis, asked without a socket in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from keyspace import keyspace

from api.app import create_app
from api.settings import ApiSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis
    from flask.testing import FlaskClient
    from given import Clock


@pytest.fixture
def web(connection: redis.Redis, clock: Clock) -> FlaskClient:
    return create_app(ApiSettings(), connection, clock=clock).test_client()


@pytest.fixture
def nothing_changes(connection: redis.Redis) -> Iterator[Callable[[], None]]:
    """Compare the whole keyspace before and after; what it gives sets the mark anew, once all is prepared."""
    before = keyspace(connection)

    def mark() -> None:
        before.clear()
        before.update(keyspace(connection))

    yield mark
    assert keyspace(connection) == before
