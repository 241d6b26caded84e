"""The sweep: brings back what was dropped, queues retries that are due, forgets what is past its time.

Everything that it does is a compare-and-write of its own, so two sweeps at once do no harm; `SWEEP` only spares
the work. Any process may take turns: the more there are, the surer one of them lives.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, cast

from redis.exceptions import OutOfMemoryError
from rq.exceptions import NoSuchJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from contract import moves
from contract.errors import BrokenRecordError, StaleWriteError
from contract.job import Failure, Priority
from contract.states import State

from . import keys, measures, tally
from .keys import Ref
from .ledger import Ledger
from .presence import abandoned, keep_vigil
from .records import Record, fetch, to_ms
from .turns import Step
from .vigil import SILENT_MS

BATCH: Final = 200
"""Jobs of one kind that one turn looks at."""
TURN_MS: Final = 900
BUDGET_S: Final = 0.5
"""What a turn may take, within `TURN_MS`: a worker's beats wait for it, and nobody else shall sweep meanwhile."""
MOST_LOSSES: Final = 3
"""A job that has lost so many workers is taken for what kills them, however many attempts it has left."""

OVERDUE: Final = Failure(code="queue_time_limit", message="the job waited in the queue for too long", retryable=True)
LOST: Final = Failure(code="worker_lost", message="the worker that ran this job was lost", retryable=True)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a sweep has found: `kind` is lost, absent, overdue, due, stray, owed, expired or broken.

    `job_id` is its Ref: what names the job among those of all clients, and in RQ.
    All but a broken record, which nobody can read, it has put right. `detail` is for the log, and `request_id` names
    the request that the job comes from.
    """

    kind: str
    job_id: str
    detail: str = ""
    request_id: str = ""


class Sweep:
    """Takes turns at putting things right. `monotonic` tells how long a turn takes, in seconds.

    `left_work` says that the last turn was not enough for all that lost workers have left behind.
    """

    def __init__(self, ledger: Ledger, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._redis = ledger, ledger.redis
        self._monotonic, self._until_s = monotonic, math.inf
        self.left_work = False

    def turn(self) -> list[Found] | None:
        """Sweep once and return what was found, or None if somebody else has swept within the last second."""
        now = self._ledger.clock()
        self._until_s, self.left_work = self._monotonic() + BUDGET_S, False
        try:
            if not self._redis.set(keys.SWEEP, "1", nx=True, px=TURN_MS):
                return None
        except OutOfMemoryError:
            self._ledger.outbox.forget(self._in_time)
            return self.expired(now)  # deleting is all that a full Redis allows, and what it needs
        vigil = keep_vigil(self._redis, to_ms(now))
        tally.begin(self._redis, vigil.server)
        lost = self.lost(now) if vigil.trusts_leases(self._lease_ms) else []
        absent = self.absent(now) if vigil.trusts_absence() else []
        self.left_work = len(lost) >= BATCH or (bool(lost or absent) and self._is_over())
        if self.left_work:
            self._redis.delete(keys.SWEEP)  # whoever comes next need not wait
        found = [*lost, *absent, *self.overdue(now), *self.due(now), *self.strays(now), *self.owed()]
        found += self.expired(now)
        tally.add(self._redis, Counter(measures.SWEPT.of(each.kind) for each in found))
        return found

    @property
    def _lease_ms(self) -> int:
        return int(self._ledger.settings.lease_s * 1000)

    def lost(self, now: datetime) -> list[Found]:
        """Take jobs back from workers whose lease has ended."""
        return self._each("lost", keys.RUNNING, self._first(keys.RUNNING, now), {State.RUNNING}, self._take_back)

    def absent(self, now: datetime) -> list[Found]:
        """Take jobs back from processes that are no more: silent for a moment, and subscribed to nothing.

        All pages are looked at: of a frozen process all runs are silent, and shall not hide those behind them.
        """
        silent_since = now + timedelta(milliseconds=self._lease_ms - SILENT_MS)
        found: list[Found] = []
        passed = 0
        while not self._is_over() and (page := self._first(keys.RUNNING, silent_since, passed)):
            new = self._each("absent", keys.RUNNING, abandoned(self._redis, page), {State.RUNNING}, self._take_back)
            found += new
            passed += len(page) - sum(each.kind == "absent" for each in new)  # those have left the index
        return found

    def _take_back(self, record: Record) -> str:
        """End the attempt of a lost worker."""
        now, losses = self._ledger.clock(), record.losses + 1
        failure = replace(LOST, stage=record.job.stage, retryable=losses < MOST_LOSSES)
        asked = record.cancel_requested
        job = moves.cancel(record.job, now) if asked else moves.fail_attempt(record.job, now, failure)
        counts = measures.failed(failure.code, None)
        return f"now {self._ledger.move(record, job, notes={'losses': losses}, counts=counts).job.state}"

    def overdue(self, now: datetime) -> list[Found]:
        """End what has waited in the queue for longer than a job may."""

        def give_up(record: Record) -> str:
            self._ledger.move(record, moves.fail(record.job, now, OVERDUE))
            return f"queued since {record.job.updated_at}"

        limit_s, found = self._ledger.settings.queue_limit_s, list[Found]()
        for index in map(keys.waiting, Priority) if limit_s < math.inf else ():
            too_long = self._first(index, now - timedelta(seconds=limit_s))
            found += self._each("overdue", index, too_long, {State.QUEUED}, give_up)
        return found

    def due(self, now: datetime) -> list[Found]:
        """Queue the retries whose pause is over."""

        def queue(record: Record) -> str:
            pipe = self._ledger.commands()
            pipe.zrem(keys.DUE, record.ref)
            self._ledger.enqueue(pipe, record.job)
            self._ledger.annotate(record, pipe, Step.ENTER)
            return f"attempt {record.job.attempt}"

        return self._each("due", keys.DUE, self._first(keys.DUE, now), {State.QUEUED}, queue)

    def strays(self, now: datetime) -> list[Found]:
        """Queue again what was popped and had not started at two looks `stray_after_s` apart.

        Its worker died before it began, or could not read it.
        """
        patience = timedelta(seconds=self._ledger.settings.stray_after_s)
        if popped := self._ledger.turns.refill():
            self._redis.zadd(keys.STRAYS, dict.fromkeys(popped, to_ms(now)), nx=True)

        def queue(record: Record) -> str | None:
            ref, pipe = record.ref, self._ledger.commands()
            pipe.zrem(keys.STRAYS, ref)
            if self._redis.lpos(self._ledger.turns.queue.key, ref) is not None:
                self._ledger.annotate(record, pipe)
                return None  # it is back
            detail = self._why_dropped(ref)
            pipe.lrem(self._ledger.turns.queue.intermediate_queue_key, 0, ref)
            self._ledger.enqueue(pipe, record.job)
            self._ledger.annotate(record, pipe, Step.ENTER)
            return detail

        return self._each("stray", keys.STRAYS, self._first(keys.STRAYS, now - patience), {State.QUEUED}, queue)

    def owed(self) -> list[Found]:
        """Queue webhooks that are owed and in no queue, and forget those that were settled long ago."""
        return [Found(*each) for each in self._ledger.outbox.sweep(self._in_time)]

    def _in_time(self) -> bool:
        return self._monotonic() <= self._until_s

    def expired(self, now: datetime) -> list[Found]:
        """Forget finished jobs whose time to live is over, with everything that points to them."""

        def forget(record: Record) -> str:
            job, ref = record.job, record.ref
            pipe = self._ledger.commands()
            pipe.delete(keys.record(ref), RqJob.key_for(ref))
            pipe.zrem(keys.FINISHED, ref)
            pipe.zrem(keys.listing(job.client_id), job.job_id)
            pipe.zrem(keys.listing(job.client_id, job.state), job.job_id)
            self._ledger.annotate(record, pipe)
            return f"was {job.state}"

        final = {state for state in State if state.is_final}
        return self._each("expired", keys.FINISHED, self._first(keys.FINISHED, now), final, forget)

    def _first(self, index: str, until: datetime, start: int = 0) -> list[Ref]:
        """Return the first jobs that `index` has up to a time, from place `start` on."""
        return self._members(self._redis.zrangebyscore(index, "-inf", to_ms(until), start=start, num=BATCH))

    def _is_over(self) -> bool:
        """Whether the turn has taken as long as it may."""
        return self._monotonic() > self._until_s

    def _each(
        self,
        kind: str,
        index: str,
        refs: Iterable[Ref],
        states: set[State],
        act: Callable[[Record], str | None],
    ) -> list[Found]:
        """Act on each job that is in one of `states`; drop the others from `index`, which has them by mistake."""
        found: list[Found] = []
        for ref in refs:
            if self._is_over():
                break
            try:
                found += self._look(kind, ref, index, states, act)
            except StaleWriteError:
                continue  # somebody has moved it meanwhile, so it was not what it seemed
            except BrokenRecordError as error:
                found.append(Found("broken", ref, str(error)))
        return found

    def _look(
        self, kind: str, ref: Ref, index: str, states: set[State], act: Callable[[Record], str | None]
    ) -> list[Found]:
        """Act on one job, read on its own so that a broken one stops no other; return what to say of it."""
        (record,) = fetch(self._redis, [ref])
        if record is None:
            self._redis.zrem(index, ref)
            return []
        if record.job.state in states:
            detail = act(record)
            return [] if detail is None else [Found(kind, ref, detail, record.request_id)]
        pipe = self._ledger.commands()
        pipe.zrem(index, ref)
        self._ledger.annotate(record, pipe)  # guarded: the job may just be entering this very index again
        return []

    def _why_dropped(self, ref: Ref) -> str:
        """Return what RQ has noted on the delivery that came to nothing."""
        try:
            delivery = RqJob.fetch(ref, connection=self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return "RQ knows nothing of it"
        outcome = delivery.latest_result()
        note = (outcome.exc_string if outcome else None) or ""
        if "DeserializationError" in note:
            return "a worker could not read it: start every worker with `rq worker -S json`"
        return note.strip().rpartition("\n")[2] or "popped, and never started"

    @staticmethod
    def _members(reply: object) -> list[Ref]:
        return [Ref(member.decode()) for member in cast("list[bytes]", reply)]
