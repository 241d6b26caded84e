"""The sweep: brings back what was dropped, queues retries that are due, forgets what is past its time.

Everything that it does is a compare-and-write of its own, so two sweeps at once do no harm; `SWEEP` only spares
the work. Any process may take turns: the more there are, the surer one of them lives.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, cast

from redis.exceptions import OutOfMemoryError
from rq.exceptions import NoSuchJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from contract import moves
from contract.errors import BrokenRecordError, StaleWriteError
from contract.job import Failure
from contract.states import State

from . import keys
from .ledger import Ledger
from .records import Record, fetch, to_ms

BATCH: Final = 200
"""Jobs of one kind that one turn looks at."""
TURN_MS: Final = 900
BUDGET_S: Final = 0.5
"""What a turn may take, within `TURN_MS`: a worker's beats wait for it, and nobody else shall sweep meanwhile."""
SPEAK_UP_S: Final = 2.0
"""A living worker has renewed its lease so soon after Redis is back."""

LOST: Final = Failure(code="worker_lost", message="the worker that ran this job was lost", retryable=True)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a sweep has found; `detail` is for the log.

    `kind` is lost, due, stray, owed (a webhook), expired or broken. All but a broken record, which nobody can read, it
    has put right.
    """

    kind: str
    job_id: str
    detail: str = ""


class Sweep:
    """Takes turns at putting things right. `monotonic` tells how long a turn takes, in seconds."""

    def __init__(self, ledger: Ledger, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._redis = ledger, ledger.redis
        self._monotonic, self._until_s = monotonic, math.inf

    def turn(self) -> list[Found] | None:
        """Sweep once and return what was found, or None if somebody else has swept within the last second."""
        now = self._ledger.clock()
        self._until_s = self._monotonic() + BUDGET_S
        try:
            if not self._redis.set(keys.SWEEP, "1", nx=True, px=TURN_MS):
                return None
        except OutOfMemoryError:
            self._ledger.outbox.forget(self._in_time)
            return self.expired(now)  # deleting is all that a full Redis allows, and what it needs
        lost = self.lost(now) if self._has_watched(now) else []
        return [*lost, *self.due(now), *self.strays(now), *self.owed(), *self.expired(now)]

    def _has_watched(self, now: datetime) -> bool:
        """Whether sweeps have come without a long gap for as long as a lease: only then is silence a worker's.

        While Redis is away every lease runs out, and the living workers shall renew theirs before they are judged.
        """
        now_ms, lease_ms = to_ms(now), self._ledger.settings.lease_s * 1000
        last, since = self._redis.hmget(keys.SWEPT, "last", "since")
        # whoever beat last just before an outage needs a moment after it; and clocks are set back, too
        gap = last is None or not 0 <= now_ms - int(last) <= lease_ms - SPEAK_UP_S * 1000
        began_ms = now_ms if gap or since is None else int(since)
        self._redis.hset(keys.SWEPT, mapping={"last": now_ms, "since": began_ms})
        return now_ms - began_ms >= lease_ms

    def lost(self, now: datetime) -> list[Found]:
        """Take jobs back from workers whose lease has ended; they have waited once already, so they are next."""

        def take_back(record: Record) -> str:
            job = moves.cancel(record.job, now) if record.cancel_requested else None
            job = job or moves.fail_attempt(record.job, now, replace(LOST, stage=record.job.stage))
            return f"now {self._ledger.move(record, job, at_front=True).job.state}"

        return self._each("lost", keys.RUNNING, now, {State.RUNNING}, take_back)

    def due(self, now: datetime) -> list[Found]:
        """Queue the retries whose pause is over."""

        def queue(record: Record) -> str:
            pipe = self._ledger.commands()
            pipe.zrem(keys.DUE, record.job.job_id)
            pipe.zadd(keys.QUEUED, {record.job.job_id: to_ms(now)})
            self._ledger.enqueue(pipe, record.job)
            self._ledger.annotate(record, pipe)
            return f"attempt {record.job.attempt}"

        return self._each("due", keys.DUE, now, {State.QUEUED}, queue)

    def strays(self, now: datetime) -> list[Found]:
        """Queue again what stands as queued, yet was in no queue at two looks `stray_after_s` apart.

        Such a job was popped by a worker that died before it began, or that could not read it.
        """
        patience = timedelta(seconds=self._ledger.settings.stray_after_s)
        self._mark_strays(to_ms(now), to_ms(now - patience))

        def queue(record: Record) -> str | None:
            job_id, pipe = record.job.job_id, self._ledger.commands()
            pipe.zrem(keys.STRAYS, job_id)
            if self._redis.lpos(self._ledger.queue.key, job_id) is not None:
                self._ledger.annotate(record, pipe)
                return None  # it is back
            detail = self._why_dropped(job_id)
            pipe.lrem(self._ledger.queue.intermediate_queue_key, 0, job_id)
            self._ledger.enqueue(pipe, record.job, at_front=True)
            self._ledger.annotate(record, pipe)
            return detail

        return self._each("stray", keys.STRAYS, now - patience, {State.QUEUED}, queue)

    def owed(self) -> list[Found]:
        """Queue webhooks that are owed and in no queue, and forget those that were settled long ago."""
        return [Found(*each) for each in self._ledger.outbox.sweep(self._in_time)]

    def _in_time(self) -> bool:
        return self._monotonic() <= self._until_s

    def expired(self, now: datetime) -> list[Found]:
        """Forget finished jobs whose time to live is over, with everything that points to them."""

        def forget(record: Record) -> str:
            job = record.job
            pipe = self._ledger.commands()
            pipe.delete(keys.record(job.job_id), RqJob.key_for(job.job_id))
            pipe.zrem(keys.FINISHED, job.job_id)
            pipe.zrem(keys.listing(job.client_id), job.job_id)
            pipe.zrem(keys.listing(job.client_id, job.state), job.job_id)
            if job.started_at is None:  # cancelled while it was queued, so its delivery may still be there
                pipe.lrem(self._ledger.queue.key, 0, job.job_id)
            self._ledger.annotate(record, pipe)
            return f"was {job.state}"

        final = {state for state in State if state.is_final}
        return self._each("expired", keys.FINISHED, now, final, forget)

    def _each(
        self, kind: str, index: str, until: datetime, states: set[State], act: Callable[[Record], str | None]
    ) -> list[Found]:
        """Act on each job that `index` has up to a time and that is in one of `states`; drop the other entries."""
        job_ids = self._members(self._redis.zrangebyscore(index, "-inf", to_ms(until), start=0, num=BATCH))
        found: list[Found] = []
        for job_id in job_ids:
            if self._monotonic() > self._until_s:
                break
            try:
                detail = self._look(job_id, index, states, act)
            except StaleWriteError:
                continue  # somebody has moved it meanwhile, so it was not what it seemed
            except BrokenRecordError as error:
                found.append(Found("broken", job_id, str(error)))
            else:
                found += [] if detail is None else [Found(kind, job_id, detail)]
        return found

    def _look(self, job_id: str, index: str, states: set[State], act: Callable[[Record], str | None]) -> str | None:
        """Act on one job, read on its own so that a broken one stops no other; return what to say of it."""
        (record,) = fetch(self._redis, [job_id])
        if record is None:
            self._redis.zrem(index, job_id)
            return None
        if record.job.state in states:
            return act(record)
        pipe = self._ledger.commands()
        pipe.zrem(index, job_id)
        self._ledger.annotate(record, pipe)  # guarded: the job may just be entering this very index again
        return None

    def _mark_strays(self, now_ms: int, oldest_ms: int) -> None:
        """Walk on through the queued jobs, longest queued first, and note which of them are in no queue."""
        looked = int(self._redis.hget(keys.SWEPT, "looked") or 0)
        waiting = self._members(self._redis.zrangebyscore(keys.QUEUED, "-inf", oldest_ms, start=looked, num=BATCH))
        following = looked + BATCH if len(waiting) == BATCH else 0
        if following != looked:
            self._redis.hset(keys.SWEPT, "looked", following)
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in waiting:
                pipe.lpos(self._ledger.queue.key, job_id)
            places = pipe.execute()
            missed = [job_id for job_id, place in zip(waiting, places, strict=True) if place is None]
            if missed:
                self._redis.zadd(keys.STRAYS, dict.fromkeys(missed, now_ms), nx=True)

    def _why_dropped(self, job_id: str) -> str:
        """Return what RQ has noted on the delivery that came to nothing."""
        try:
            delivery = RqJob.fetch(job_id, connection=self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return "RQ knows nothing of it"
        outcome = delivery.latest_result()
        note = (outcome.exc_string if outcome else None) or ""
        if "DeserializationError" in note:
            return "a worker could not read it: start every worker with `rq worker -S json`"
        return note.strip().rpartition("\n")[2] or "popped, and never started"

    @staticmethod
    def _members(reply: object) -> list[str]:
        return [member.decode() for member in cast("list[bytes]", reply)]
