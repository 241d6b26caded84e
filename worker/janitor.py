"""A janitor in a worker process: it takes turns at the sweep while the process lives, also while that is idle."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from rq import Worker

from store.ledger import Ledger
from store.sweep import Sweep
from store.sweeper import Sweeper

from . import logs
from .settings import WorkerSettings
from .tasks import quick


@contextmanager
def sweeping(connection: redis.Redis, settings: WorkerSettings) -> Iterator[None]:
    """Sweep the Redis that `connection` leads to in the background, on connections of our own."""
    log = logs.configure(settings.log_level, settings.log_format)
    with quick(connection) as own:
        janitor = Sweeper(Sweep(Ledger(own, settings.store)), log)
        janitor.start()
        try:
            yield
        finally:
            janitor.stop()


class TidyWorker(Worker):
    """RQ's own worker with a janitor: `rq worker -S json -w worker.janitor.TidyWorker`.

    The stock one sweeps only while it works, from its work horse. RQ forks with a thread of its own at work already.
    """

    def work(self, *args: Any, **kwargs: Any) -> bool:
        """Work as RQ does, and sweep meanwhile. Raises SettingsError if the environment is wrong."""
        with sweeping(self.connection, WorkerSettings.from_env(os.environ)):
            return super().work(*args, **kwargs)
