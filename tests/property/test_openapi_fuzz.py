"""What the OpenAPI document says is so: schemathesis finds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fakeredis
import flask
import pytest
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
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = ApiSettings(auth=True, admin_token=ADMIN, wrong_tokens=None, store=StoreSettings(notify_schemes=SCHEMES))
OF_SOCKETS = ("max_redirects", "verify", "cert", "proxies")


def an_app() -> flask.Flask:
    """Return an application that is ready, and ends each stream and held answer once it has said what stands."""
    connection = fakeredis.FakeRedis(version=(7,))
    worker = Worker([Queue("default", connection=connection)], connection=connection, serializer=JSONSerializer)
    worker.register_birth()
    hub = Hub()
    hub.close()
    return create_app(SETTINGS, connection, hub=hub)


def an_app_of_outages() -> flask.Flask:
    """Return one that has nothing but the calls that are spared: what others find, an outage would decide."""
    app, connection = flask.Flask("dubq", static_folder=None), fakeredis.FakeRedis(version=(7,))
    Tracing(Meter()).mount(app)
    problems.mount(app)
    OutageRoutes(OutageStore(connection)).mount(app)
    Doorkeeper(SETTINGS, Door(connection, SETTINGS.wrong_tokens, now_utc)).mount(app)
    DocsRoutes(SETTINGS).mount(app)
    return app


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the application what only sockets have: schemathesis 4.32 forgets that where it tries other tokens."""
    send = WSGITransport.send

    def send_in_process(self: WSGITransport, case: Any, **settings: Any) -> Any:
        return send(self, case, **{name: each for name, each in settings.items() if name not in OF_SOCKETS})

    monkeypatch.setattr(WSGITransport, "send", send_in_process)


@pytest.mark.parametrize("make_app", [an_app, an_app_of_outages])
def test_schemathesis_finds_nothing(make_app: Callable[[], flask.Flask]) -> None:
    config = configured(1, 2, generation={"deterministic": True})
    found = findings(schemathesis.openapi.from_wsgi("/openapi.json", make_app(), config=config))
    assert not found, "\n\n".join(found)
