"""The page as a whole: all its sections on one blueprint."""

from collections.abc import Callable
from datetime import datetime

import flask
import redis

from api.caller import Doorkeeper
from api.news import NewsRoutes
from api.settings import ApiSettings
from api.statistics import StatisticsRoutes
from api.streams import ping_s
from store.clients import Clients
from store.hub import Hub
from store.jobs import JobStore
from store.ledger import Ledger
from store.overview import Overview
from store.sessions import Sessions

from .glance import GlanceRoutes
from .page import PageRoutes
from .rq_view import RqRoutes
from .session import SessionRoutes
from .shell import Shell
from .stream import StreamRoutes


def mount(
    app: flask.Flask,
    settings: ApiSettings,
    *,
    connection: redis.Redis,
    clock: Callable[[], datetime],
    ledger: Ledger,
    store: JobStore,
    clients: Clients,
    doorkeeper: Doorkeeper,
    sessions: Sessions,
    news: NewsRoutes,
    statistics: StatisticsRoutes,
    hub: Hub,
    ping_s: Callable[[int], float] = ping_s,
) -> None:
    """Put the page into `app`, over the parts that the API has."""
    shell = Shell(settings, clock)
    PageRoutes(
        shell,
        store=store,
        outbox=ledger.outbox,
        overview=Overview(ledger),
        clients=clients,
        connection=connection,
        clock=clock,
        engines=settings.engines,
    )
    GlanceRoutes(shell, statistics, simulates=settings.simulates, plays_outages=settings.sim_outages)
    SessionRoutes(shell, doorkeeper, sessions)
    RqRoutes(shell, connection)
    StreamRoutes(shell, news, clients, connection=connection, hub=hub, pace=lambda: ping_s(hub.waiting))
    shell.mount(app)
