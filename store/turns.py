"""Whose turn it is: what a job costs its client, and the part of the queue that stands in RQ's list."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, cast

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from contract.job import Job, Priority
from contract.limits import to_text
from contract.states import State

from . import keys
from .keys import Ref
from .settings import StoreSettings
from .workers import QUEUE

COST: Final[Mapping[str, int]] = {Priority.HIGH: 1, Priority.DEFAULT: 4, Priority.LOW: 16}
"""Turns that a job takes: while one client's low job waits, each flow of another has at most 16 high ones served."""

_FOLDER: Final = Path(__file__).parent
TURNS: Final = (_FOLDER / "turns.lua").read_text("utf-8")
REFILL: Final = TURNS + (_FOLDER / "refill.lua").read_text("utf-8")


class Step(StrEnum):
    """What a change does to the job's place in the queue."""

    STAY = ""
    ENTER = "enter"
    """It takes a place, or its own again if it has had one before."""
    START = "start"
    LEAVE = "leave"


class Turns:
    """RQ's queue, of which the scripts keep the list: exactly the first of those whose turn it is."""

    def __init__(self, connection: redis.Redis, settings: StoreSettings) -> None:
        self.queue = _Listed(QUEUE, connection=connection, serializer=JSONSerializer)
        # RQ would ask the server with every new Queue; all that we support are newer than what it looks for
        self.queue.redis_server_version = (7, 0, 0)
        self._window, self._running = settings.window, settings.client_running
        self._keys = [keys.QUEUED, keys.TURNS, self.queue.key]
        self._refill = connection.register_script(REFILL)

    def keys(self, job: Job) -> list[str]:
        """Return the keys of advance.lua."""
        client_id = job.client_id
        return [
            *self._keys,
            keys.record(keys.ref_of(job)),
            keys.flow(client_id, job.priority),
            keys.aside(client_id),
            keys.limits(client_id),
            keys.listing(client_id, State.QUEUED),
            keys.listing(client_id, State.RUNNING),
        ]

    def words(self, job: Job, step: Step) -> list[Any]:
        """Return the arguments of advance.lua that are about the queue."""
        return [step, COST[job.priority], self._window, to_text(self._running)]

    def refill(self) -> list[Ref]:
        """Let RQ's list have what it may, and return the jobs that were popped and have not started.

        Every step that changes the queue fills the list as well. This is for when there is none: workers may have
        popped all of it, and died.
        """
        popped = cast("list[bytes]", self._refill(keys=self._keys, args=[self._window]))
        return [Ref(each.decode()) for each in popped]


class _Listed(Queue):
    """RQ's queue without its push: which id stands where in the list is for the scripts to say."""

    def push_job_id(self, *_: Any, **__: Any) -> None:
        """Leave the list alone."""
