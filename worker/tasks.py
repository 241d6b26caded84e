"""What RQ runs: the job function, and what a worker process is made of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool
from rq import get_current_job

from contract.engines import SIMULATOR
from store.clocks import ClockFollower
from store.ledger import Ledger
from store.odds import Odds
from store.presence import Presence

from . import logs
from .engine import Engine
from .engines import Choice, find
from .line import Chances
from .pulse import Pulse
from .runner import Runner
from .settings import WorkerSettings
from .simulator import Simulator

COMMAND_S = 5.0
CONNECT_S = 2.0


class Shared(redis.Redis):
    """A client that many runs of one process share; that process sweeps and beats for them. `chances` are theirs."""

    chances: Chances
    ledger: Ledger
    presence: Presence
    pulse: Pulse


def translate(ref: str) -> None:
    """Run the job of this Ref, on the Redis of the RQ worker that calls.

    Returns None however the job ends, also if there is nothing to do: the record says how it went.
    """
    delivery = get_current_job()
    if delivery is None:
        raise RuntimeError("worker.tasks.translate is for an RQ worker to call")
    settings, runner = _process(delivery.connection)
    if isinstance(delivery.connection, Shared):
        shared = delivery.connection
        runner = replace(runner, sweeps=False, chances=shared.chances)
        runner.run(ref, shared.ledger, shared.presence, shared.pulse)
        return
    with quick(delivery.connection) as connection, Presence(connection) as presence:
        runner.run(ref, Ledger(connection, settings.store), presence)


@contextmanager
def quick(connection: redis.Redis) -> Iterator[redis.Redis]:
    """Give a client of the same Redis with connections of its own, which fails within seconds.

    RQ's connections wait for minutes, as its blocking reads need; a worker that has to renew a lease cannot.
    """
    pool = connection.connection_pool
    if isinstance(connection, Shared):
        yield connection  # which fails within seconds, too
        return
    if isinstance(pool, SentinelConnectionPool):
        yield connection  # made of more than its keyword arguments; its timeouts are the operator's
        return
    with redis.Redis.from_pool(_pool_like(pool)) as quicker:
        yield quicker


def _pool_like(pool: redis.ConnectionPool) -> redis.ConnectionPool:
    return redis.ConnectionPool(connection_class=pool.connection_class, **quick_words(pool))


def quick_words(pool: redis.ConnectionPool) -> dict[str, Any]:
    """Return what a connection like those of `pool` is made of, save that it fails within seconds."""
    manners = {"socket_timeout": COMMAND_S, "socket_connect_timeout": CONNECT_S, "retry": Retry(NoBackoff(), 1)}
    return {**pool.connection_kwargs, **manners}


@cache
def _process(connection: redis.Redis) -> tuple[WorkerSettings, Runner]:
    """Read the settings and make the engine: once per process, at its first job."""
    settings = WorkerSettings.from_env(os.environ)
    log = logs.configure(settings.log_level, settings.log_format)
    return settings, Runner(engine=engine_of(settings, connection), log=log)


def engine_of(settings: WorkerSettings, connection: redis.Redis) -> Engine:
    """Make the engines that the settings name. Raises SettingsError if there is none of a name."""
    made = {name: _simulator(settings, connection) if name == SIMULATOR else find(name)() for name in settings.engines}
    return Choice(made)


def _odds(odds: Odds, client_id: str) -> float | None:
    """Return a client's own error rate; none while Redis is away, for the job goes on."""
    try:
        return odds.read(client_id)
    except redis.RedisError:
        return None


def _simulator(settings: WorkerSettings, connection: redis.Redis) -> Simulator:
    pool = connection.connection_pool
    own = connection if isinstance(pool, SentinelConnectionPool) else redis.Redis.from_pool(_pool_like(pool))
    return Simulator(
        settings.sim_law,
        error_rate=settings.sim_error_rate,
        times=ClockFollower(own),
        odds=partial(_odds, Odds(own)),
        seed=settings.sim_seed,
        speed=settings.sim_speed,
    )
