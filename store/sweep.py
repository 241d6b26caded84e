"""The sweep: brings back what was dropped, queues retries that are due, forgets what is past its time.

Everything that it does is a compare-and-write of its own, so two sweeps at once do no harm; `SWEEP` only spares
the work. Any process may take turns: the more there are, the surer one of them lives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

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

LOST: Final = Failure(code="worker_lost", message="the worker that ran this job was lost", retryable=True)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a sweep has found: `kind` is lost, due, stray, expired or broken; `detail` is for the log.

    All but a broken record, which nobody can read, it has put right.
    """

    kind: str
    job_id: str
    detail: str = ""


class Sweep:
    """Takes turns at putting things right."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._redis = ledger, ledger.redis

    def turn(self) -> list[Found] | None:
        """Sweep once and return what was found, or None if somebody else has swept within the last second."""
        if not self._redis.set(keys.SWEEP, "1", nx=True, px=TURN_MS):
            return None
        now = self._ledger.clock()
        lost = self.lost(now) if self._has_watched(now) else []
        return [*lost, *self.due(now), *self.strays(now), *self.expired(now)]

    def _has_watched(self, now: datetime) -> bool:
        """Whether sweeps have come without a long gap for as long as a lease: only then is silence a worker's.

        While Redis is away every lease runs out, and the living workers shall renew theirs before they are judged.
        """
        now_ms, lease_ms = to_ms(now), self._ledger.settings.lease_s * 1000
        last, since = self._redis.hmget(keys.SWEPT, "last", "since")
        gap = last is None or now_ms - int(last) > lease_ms
        began_ms = now_ms if gap or since is None else int(since)
        self._redis.hset(keys.SWEPT, mapping={"last": now_ms, "since": began_ms})
        return now_ms - began_ms >= lease_ms

    def lost(self, now: datetime) -> list[Found]:
        """Take jobs back from workers whose lease has ended."""

        def take_back(record: Record) -> str:
            job = moves.cancel(record.job, now) if record.cancel_requested else None
            job = job or moves.fail_attempt(record.job, now, LOST)
            return f"now {self._ledger.move(record, job).job.state}"

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

        def queue(record: Record) -> str:
            detail = self._why_dropped(record.job.job_id)
            pipe = self._ledger.commands()
            pipe.zrem(keys.STRAYS, record.job.job_id)
            pipe.lrem(self._ledger.queue.intermediate_queue_key, 0, record.job.job_id)
            self._ledger.enqueue(pipe, record.job, at_front=True)
            self._ledger.annotate(record, pipe)
            return detail

        return self._each("stray", keys.STRAYS, now - patience, {State.QUEUED}, queue)

    def expired(self, now: datetime) -> list[Found]:
        """Forget finished jobs whose time to live is over, with everything that points to them."""

        def forget(record: Record) -> str:
            job = record.job
            pipe = self._ledger.commands()
            pipe.delete(keys.record(job.job_id), RqJob.key_for(job.job_id))
            pipe.zrem(keys.FINISHED, job.job_id)
            pipe.zrem(keys.listing(job.client_id), job.job_id)
            pipe.zrem(keys.listing(job.client_id, job.state), job.job_id)
            self._ledger.annotate(record, pipe)
            return f"was {job.state}"

        final = {state for state in State if state.is_final}
        return self._each("expired", keys.FINISHED, now, final, forget)

    def _each(
        self, kind: str, index: str, until: datetime, states: set[State], act: Callable[[Record], str]
    ) -> list[Found]:
        """Act on each job that `index` has up to a time and that is in one of `states`; drop the other entries."""
        job_ids = self._members(self._redis.zrangebyscore(index, "-inf", to_ms(until), start=0, num=BATCH))
        found: list[Found] = []
        for job_id in job_ids:
            try:
                (record,) = fetch(self._redis, [job_id])  # each for itself: one that is broken stops no other
                if record is None or record.job.state not in states:
                    self._redis.zrem(index, job_id)
                else:
                    found.append(Found(kind, job_id, act(record)))
            except StaleWriteError:
                continue  # somebody has moved it meanwhile, so it was not what it seemed
            except BrokenRecordError as error:
                found.append(Found("broken", job_id, str(error)))
        return found

    def _mark_strays(self, now_ms: int, oldest_ms: int) -> None:
        """Note which of the longest-queued jobs are in no queue, and take back the notes on those that are."""
        waiting = self._members(self._redis.zrangebyscore(keys.QUEUED, "-inf", oldest_ms, start=0, num=BATCH))
        if not waiting:
            return
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in waiting:
                pipe.lpos(self._ledger.queue.key, job_id)
            places = pipe.execute()
            for job_id, place in zip(waiting, places, strict=True):
                if place is None:
                    pipe.zadd(keys.STRAYS, {job_id: now_ms}, nx=True)
                else:
                    pipe.zrem(keys.STRAYS, job_id)
            pipe.execute()

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
