"""RQ's own notes on deliveries, for a worker that has many at a time: each step is one call for all of them.

RQ's worker makes some twenty calls for each job. What they leave behind is the same here, for `rq info` and dashboards,
save that a job that returned nothing has no result stream.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import redis
from rq import Queue
from rq.defaults import RQ_KEY_PREFIX
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE, Execution, ExecutionRegistry
from rq.job import Job as RqJob
from rq.suspension import WORKERS_SUSPENDED
from rq.utils import now, utcformat
from rq.worker import BaseWorker

_TAKE: Final = (Path(__file__).parent / "take.lua").read_text("utf-8")
_SETTLE: Final = (Path(__file__).parent / "settle.lua").read_text("utf-8")
_KEEP: Final = (Path(__file__).parent / "keep.lua").read_text("utf-8")
# how the keys begin: of a job, of an execution, of a job's executions
_PREFIXES: Final = (
    RqJob.key_for(""),
    f"{RQ_KEY_PREFIX}:execution:",
    ExecutionRegistry.key_template.format(""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A job that RQ has handed to this worker, and the execution that began with it."""

    job_id: str
    execution_id: str
    queue: Queue

    @property
    def place(self) -> list[str]:
        """How the scripts name it."""
        return [self.job_id, self.execution_id, self.queue.started_job_registry.key]

    def execution(self, connection: redis.Redis, worker_name: str) -> Execution:
        """Return the execution as RQ has it."""
        return Execution(self.execution_id, self.job_id, connection, worker_name)


Taken = tuple[Delivery, dict[bytes, bytes]]
"""A delivery, and the job's fields as RQ keeps them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A delivery that came to a good end after `worked_s`; RQ shall know of it for `ttl_s` (-1: for ever)."""

    delivery: Delivery
    worked_s: float
    ttl_s: int


class Deliveries:
    """The deliveries of one worker. `ttl_s`: so long RQ believes in an execution that is not heard of."""

    def __init__(self, connection: redis.Redis, name: str, *, ttl_s: int) -> None:
        self._redis, self._name, self._ttl_s = connection, name, ttl_s
        self._key = f"{BaseWorker.redis_worker_namespace_prefix}{name}"
        self._executions = WORKER_EXECUTIONS_KEY_TEMPLATE.format(name)
        self._take = connection.register_script(_TAKE)
        self._settle = connection.register_script(_SETTLE)
        self._keep = connection.register_script(_KEEP)

    def take(self, queues: Sequence[Queue], most: int) -> list[Taken] | None:
        """Take up to `most` deliveries, of the first queue first; None says that workers are suspended."""
        at = now()
        rows = self._take(
            keys=[WORKERS_SUSPENDED, self._executions, *(queue.key for queue in queues)],
            args=[
                *(most, self._name, utcformat(at), at.timestamp(), self._ttl_s, *_PREFIXES, uuid4().hex[:28]),
                *(queue.started_job_registry.key for queue in queues),
            ],
        )
        if rows is None:
            return None
        return [
            (
                Delivery(job_id=job_id.decode(), execution_id=execution_id.decode(), queue=queues[place - 1]),
                dict(zip(fields[::2], fields[1::2], strict=True)),
            )
            for place, job_id, execution_id, fields in rows
        ]

    def settle(self, ended: Sequence[Ended]) -> list[str]:
        """Note that these have ended. Returns the ids of the jobs on which others depend."""
        at = now()
        words: list[str | float] = []
        for each in ended:
            until_s = "+inf" if each.ttl_s < 0 else (at + timedelta(seconds=each.ttl_s)).timestamp()
            words += [*each.delivery.place, each.delivery.queue.finished_job_registry.key, each.ttl_s, until_s]
        worked_s = sum(each.worked_s for each in ended)
        found: list[bytes] = self._settle(
            keys=[self._key, self._executions], args=[self._name, utcformat(at), worked_s, *_PREFIXES, *words]
        )
        return [job_id.decode() for job_id in found]

    def keep(self, going_on: Sequence[Delivery]) -> None:
        """Say that these go on."""
        at = now()
        words = [word for each in going_on for word in each.place]
        self._keep(keys=[self._executions], args=[utcformat(at), at.timestamp(), self._ttl_s, *_PREFIXES, *words])

    def put_back(self, delivery: Delivery) -> None:
        """Put a delivery that came to nothing in front of its queue, as if it had not been taken."""
        job = RqJob.key_for(delivery.job_id)
        with self._redis.pipeline() as pipe:
            pipe.multi()
            pipe.delete(f"{_PREFIXES[1]}{delivery.job_id}:{delivery.execution_id}")
            pipe.zrem(f"{_PREFIXES[2]}{delivery.job_id}", delivery.execution_id)
            pipe.zrem(delivery.queue.started_job_registry.key, f"{delivery.job_id}:{delivery.execution_id}")
            pipe.srem(self._executions, f"{delivery.job_id}:{delivery.execution_id}")
            pipe.hset(job, "status", "queued")
            pipe.hdel(job, "worker_name", "started_at")
            pipe.lpush(delivery.queue.key, delivery.job_id)
            pipe.execute()

    def await_one(self, queue: Queue, within_s: float) -> bool:
        """Wait until the queue has something in it, and take nothing: its first is put back where it was."""
        return self._redis.blmove(queue.key, queue.key, within_s, "LEFT", "LEFT") is not None  # type: ignore[arg-type]
