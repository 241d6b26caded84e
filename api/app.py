"""The Flask application, and how a process puts it together."""

import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

import flask
import redis
import structlog

from store.carrier import carried
from store.clients import Clients
from store.clocks import ClockStore
from store.door import Door
from store.hub import Hub
from store.jobs import JobStore
from store.ledger import Ledger
from store.odds import Odds
from store.outages import OutageStore
from store.pace import Pace
from store.records import now_utc
from store.sessions import Sessions
from store.settings import connect
from store.streams import Streams
from store.sweep import Sweep
from store.sweeper import Sweeper
from store.worlds import WorldStore

from . import logs, problems
from .batch import BatchRoutes
from .caller import Doorkeeper
from .clients import ClientRoutes
from .deliveries import DeliveryRoutes
from .docs import DocsRoutes
from .jobs import JobRoutes
from .keeper import Keeper
from .limits import Limiter, LimitRoutes
from .listener import Listener
from .meter import Meter, Reporter
from .metrics import MetricsRoutes
from .news import NewsRoutes
from .notifications import NotificationRoutes
from .origins import Origins
from .outages import Latency, OutageRoutes
from .page import whole as page
from .service import ServiceRoutes
from .settings import ApiSettings
from .shedding import Shedder
from .simulator import SimulatorRoutes
from .single import SingleRoutes
from .statistics import StatisticsRoutes
from .streams import ping_s
from .tracing import Tracing

HUB: Final = "dubq.hub"
"""Where the application keeps its hub among its extensions."""
DOORKEEPER: Final = "dubq.doorkeeper"
"""Where it keeps who lets requests in."""
STREAMS: Final = "dubq.streams"
"""Where it keeps who counts streams, if they are limited."""
METER: Final = "dubq.meter"
"""Where it keeps what counts what happens in this process."""
REPORTER: Final = "dubq.reporter"
"""Where a process keeps who hands these counts on."""


class App(flask.Flask):
    """An application of plain functions."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return what to call: Flask asks that anew of each hook and route at each request, and none is a coroutine."""
        return func


def create_app(
    settings: ApiSettings,
    connection: redis.Redis,
    *,
    clock: Callable[[], datetime] = now_utc,
    hub: Hub | None = None,
    ping_s: Callable[[int], float] = ping_s,
) -> flask.Flask:
    """Return the application over a Redis. It asks Redis nothing before the first request.

    Somebody has to feed the `hub`, and to close it when the process is about to end: then nobody is kept waiting.
    """
    hub, meter = hub or Hub(), Meter()
    hub.heard = meter.told("redis")
    shedder = Shedder(settings.in_flight)
    streams = None
    if settings.auth or settings.limits.streams is not None:
        streams = Streams(connection, uuid4().hex, hub.open_here, settings.limits.streams)
    app = _without_routes(settings)
    Tracing(meter).mount(app)
    problems.mount(app)
    shedder.mount(app)
    Origins(settings.origins, asks=settings.auth).mount(app)
    if settings.simulates and settings.sim_outages:
        OutageRoutes(OutageStore(connection), seed=settings.sim_seed).mount(app)
    if settings.simulates and settings.sim_latency:
        Latency(settings.sim_latency, seed=settings.sim_seed).mount(app)
    clients = Clients(connection, clock)
    sessions = Sessions(connection)
    doorkeeper = Doorkeeper(settings, Door(connection, settings.wrong_tokens, clock), sessions)
    doorkeeper.mount(app)
    Limiter(settings, Pace(connection, clock)).mount(app)
    hub.guard(partial(_let_wait, shedder, streams))
    ledger = Ledger(connection, settings.store, clock)
    store = JobStore(ledger)
    JobRoutes(
        store,
        clock,
        hub,
        ping_s=ping_s,
        engines=settings.engines,
        private=settings.reach,
        known=meter.known,
    ).mount(app)
    BatchRoutes(store, clock, engines=settings.engines, private=settings.reach).mount(app)
    DeliveryRoutes(store, ledger.outbox).mount(app)
    NotificationRoutes(ledger.outbox.targets, settings.store.notify_schemes, clock).mount(app)
    news = NewsRoutes(store, connection, hub, ping_s=ping_s, told=meter.told("events"))
    news.mount(app)
    SingleRoutes(store, clock).mount(app)
    ClientRoutes(clients, clock, settings.limits).mount(app)
    ServiceRoutes(settings, connection, clients, hub=hub, clock=clock).mount(app)
    LimitRoutes(settings, connection).mount(app)
    MetricsRoutes(connection, clock).mount(app)
    statistics = StatisticsRoutes(connection, clock)
    statistics.mount(app)
    if settings.simulates:
        clocks = ClockStore(connection, lambda: clock().timestamp())
        SimulatorRoutes(clocks, Odds(connection), WorldStore(ledger, store, clocks)).mount(app)
    page.mount(
        app,
        settings,
        connection=connection,
        clock=clock,
        ledger=ledger,
        store=store,
        clients=clients,
        doorkeeper=doorkeeper,
        sessions=sessions,
        news=news,
        statistics=statistics,
        hub=hub,
        ping_s=ping_s,
    )
    DocsRoutes(settings).mount(app)
    app.extensions |= {HUB: hub, DOORKEEPER: doorkeeper, STREAMS: streams, METER: meter}
    return app


def _without_routes(settings: ApiSettings) -> App:
    app = App("dubq", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False
    if isinstance(app.json, flask.json.provider.DefaultJSONProvider):
        app.json.ensure_ascii = app.json.sort_keys = False
    return app


def _let_wait(shedder: Shedder, streams: Streams | None, client_id: str, count: int) -> None:
    """Let one more wait for news, which with this one has `count` here. Raises TooManyStreamsError."""
    shedder.waits()
    if streams is not None and client_id:  # who hears of all is the admin
        streams.admit(client_id, count)


def from_env() -> flask.Flask:
    """Put a whole API process together: `gunicorn -c python:api.gunicorn_conf "api.app:from_env()"`.

    Raises SettingsError with everything that is wrong with the environment.
    """
    settings = ApiSettings.from_env(os.environ)
    logs.configure(settings.log_level, settings.log_format)
    if settings.is_behind_loopback and not settings.auth:
        structlog.get_logger().warning("open_to_the_network", bind=settings.bind, auth="off")
    connection = carried(connect(settings.store.redis_url))
    ledger = Ledger(connection, settings.store)
    Sweeper(Sweep(ledger), structlog.get_logger()).start()
    hub = Hub()
    app = create_app(settings, connection, hub=hub)
    Keeper(settings, Clients(connection), app.extensions[STREAMS]).start()
    Listener(connection, hub, forget=app.extensions[DOORKEEPER].forget).start()
    app.extensions[REPORTER] = reporter = Reporter(connection, app.extensions[METER], lambda: hub.waiting)
    reporter.start()
    return app
