"""The one way in which a job changes: compare the version, then write everything that belongs together."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import redis
from redis.client import Pipeline

from contract.errors import StaleWriteError
from contract.job import Job
from contract.limits import TooManyQueuedError, to_text
from contract.states import State

from . import keys, measures, tally
from .durations import Sample
from .measures import Counts
from .notes import Notes
from .outbox import Outbox
from .outlook import Outlook
from .records import Record, document, eta_json, now_utc, to_ms
from .settings import StoreSettings
from .turns import TURNS, Step, Turns

TASK: Final = "worker.tasks.translate"
RQ_TTL_S: Final = 300
"""How long RQ keeps its own notes on a delivery that has ended: for `rq info` and dashboards alone."""
QUEUE_FULL_S: Final = 5
"""When to come back to a full queue of which nothing is known, and at the latest."""
LONGEST_QUEUE_FULL_S: Final = 60

ADVANCE: Final = TURNS + (Path(__file__).parent / "advance.lua").read_text("utf-8")


Reply: TypeAlias = int | list[int] | None
"""What the script answers."""


@dataclass(frozen=True, slots=True)
class New:
    """A job to be made. `fingerprint` stands for everything that was submitted, `request_id` names the request."""

    job: Job
    fingerprint: str
    simulate: dict[str, Any] | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """One call of the script, which makes `job` what stands, and gives it its position if it is queued."""

    job: Job
    keys: list[str]
    words: list[Any]
    simulate: dict[str, Any] | None


class Ledger:
    """Writes changes of jobs. `clock` returns aware UTC times in whole milliseconds."""

    def __init__(
        self, connection: redis.Redis, settings: StoreSettings, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self.redis, self.settings, self.clock = connection, settings, clock
        self.outlook = Outlook(connection, clock)
        self.outbox = Outbox(connection, settings, clock)
        self.turns = Turns(connection, settings)
        self._notes = Notes(self.turns.queue, int(settings.job_limit_s))
        self._advance = connection.register_script(ADVANCE)

    def create(self, job: Job, *, fingerprint: str, simulate: dict[str, Any] | None, request_id: str = "") -> Job:
        """Write a new job, put it into the queue and return it.

        Raises StaleWriteError if its job_id is taken, TooManyQueuedError if its client has as many as it may.
        """
        return self._commit(self._creation(New(job, fingerprint, simulate, request_id)))

    def create_many(self, wanted: Iterable[New]) -> list[Job | TooManyQueuedError | None]:
        """Do the same for many in one round trip, each judged alone; None stands for one whose job_id is taken."""
        writes = [self._creation(each) for each in wanted]
        with self.redis.pipeline(transaction=False) as pipe:
            for write in writes:
                self._advance(keys=write.keys, args=write.words, client=pipe)
            replies: list[Reply] = pipe.execute()
        return [self._written(write, reply) for write, reply in zip(writes, replies, strict=True)]

    def move(
        self,
        old: Record,
        job: Job,
        *,
        pause_s: float = 0,
        sample: Sample | None = None,
        notes: Mapping[str, Any] = MappingProxyType({}),
        counts: Counts = MappingProxyType({}),
    ) -> Record:
        """Write `job`, the next of `old`, and return it as a record.

        A job that is queued again waits for `pause_s` first, and then has the place that it had; only a reset one takes
        a new one. What there is to learn from an end is in `sample`; `notes` are fields of the record that change with
        the job, and `counts` what is counted of it besides the change of its state.

        Raises StaleWriteError, having written nothing, if `old` is not what stands any more; and TooManyQueuedError for
        a reset job if its client has as many in the queue as it may.
        """
        pipe = self.commands()
        becomes, request_id = old.version_of(job), notes.get("request_id", old.request_id)
        run, round_, step = old.run, old.round, Step.STAY
        if job.state is not old.job.state:
            self._leave(pipe, old.job)
            if job.state is State.RUNNING:
                run = job.seq
                pipe.hset(keys.record(old.ref), "run", run)
            if old.job.done:
                round_ += 1
                pipe.hset(keys.record(old.ref), mapping={"round": round_, "losses": 0})
                pipe.hdel(keys.record(old.ref), "tag")
            step = self._enter(pipe, job, pause_s=pause_s)
            if job.done:
                self.outbox.add(pipe, job, request_id)
            tally.put(pipe, measures.moved(old.job, job))
        for name, value in notes.items():
            pipe.hset(keys.record(old.ref), name, value)
        tally.put(pipe, counts)
        if sample:
            self.outlook.learn(pipe, sample, old.simulate)
        write = self._write(
            pipe,
            job,
            step,
            was=old.version,
            becomes=becomes,
            adds=old.job.done,
            simulate=old.simulate,
            request_id=request_id,
        )
        written = self._commit(write)
        return replace(old, job=written, version=becomes, run=run, round=round_, **notes)

    def ask_to_cancel(self, old: Record) -> None:
        """Note that the owner wants the running job to end. Raises StaleWriteError."""
        self.annotate(old, self.commands(), becomes=old.version_cancelling)

    def annotate(self, old: Record, pipe: Pipeline, step: Step = Step.STAY, *, becomes: str | None = None) -> None:
        """Run commands, and take a step, that are right as long as `old` stands, without changing the document.

        Raises StaleWriteError, having run none of them, if it does not stand any more.
        """
        self._commit(self._write(pipe, old.job, step, was=old.version, becomes=becomes or old.version, told=False))

    def enqueue(self, pipe: Pipeline, job: Job) -> None:
        """Add RQ's own commands for queueing `job` to `pipe`, all but the push: its turn may be far away."""
        self._notes.add(pipe, keys.ref_of(job))

    def commands(self) -> Pipeline:
        """Return an empty pipeline that only collects commands, to be written with a change."""
        pipe = self.redis.pipeline()
        pipe.multi()  # RQ's enqueue calls this itself where it was not called before the first command
        return pipe

    def lease_end_ms(self) -> int:
        """Return the time (ms) until which a worker that speaks up now holds its job."""
        return to_ms(self.clock() + timedelta(seconds=self.settings.lease_s))

    def _leave(self, pipe: Pipeline, job: Job) -> None:
        """Take `job` out of the indexes of the state that it is in."""
        pipe.zrem(keys.listing(job.client_id, job.state), job.job_id)
        if job.state is State.QUEUED:
            for index in (keys.DUE, keys.STRAYS, keys.waiting(job.priority)):
                pipe.zrem(index, keys.ref_of(job))
        elif job.state is State.RUNNING:
            pipe.zrem(keys.RUNNING, keys.ref_of(job))
        else:
            pipe.zrem(keys.FINISHED, keys.ref_of(job))

    def _enter(self, pipe: Pipeline, job: Job, *, pause_s: float = 0) -> Step:
        """Put `job` into the indexes of the state that it is in, and return its step in the queue."""
        pipe.zadd(keys.listing(job.client_id, job.state), {job.job_id: to_ms(job.created_at)})
        at_ms = to_ms(job.updated_at)
        if job.state is State.QUEUED:
            pipe.zadd(keys.waiting(job.priority), {keys.ref_of(job): at_ms + int(pause_s * 1000)})
        if job.state is State.RUNNING:
            pipe.zadd(keys.RUNNING, {keys.ref_of(job): self.lease_end_ms()})
            return Step.START
        if job.state is not State.QUEUED:
            pipe.zadd(keys.FINISHED, {keys.ref_of(job): at_ms + int(self.settings.job_ttl_s * 1000)})
        elif pause_s > 0:
            pipe.zadd(keys.DUE, {keys.ref_of(job): at_ms + int(pause_s * 1000)})
        else:
            self.enqueue(pipe, job)
            return Step.ENTER
        return Step.LEAVE

    def _creation(self, new: New) -> Write:
        job, pipe = new.job, self.commands()
        record = keys.record(keys.ref_of(job))
        pipe.hset(record, mapping={"fingerprint": new.fingerprint, "request_id": new.request_id})
        if new.simulate is not None:
            pipe.hset(record, "simulate", json.dumps(new.simulate))
        pipe.zadd(keys.listing(job.client_id), {job.job_id: to_ms(job.created_at)})
        step = self._enter(pipe, job)
        tally.put(pipe, measures.created(job))
        counter = keys.ordinal(job.client_id)
        return self._write(
            pipe,
            job,
            step,
            was="",
            becomes=str(job.seq),
            adds=True,
            counter=counter,
            simulate=new.simulate,
            request_id=new.request_id,
        )

    def _write(
        self,
        pipe: Pipeline,
        job: Job,
        step: Step,
        *,
        was: str,
        becomes: str,
        told: bool = True,
        adds: bool = False,
        counter: str = "",
        simulate: dict[str, Any] | None = None,
        request_id: str = "",
    ) -> Write:
        ref = keys.ref_of(job)
        eta = self.outlook.eta(job, simulate) if told else None
        told_eta = self.outlook.places(job, simulate) if told and step is Step.ENTER else eta_json(eta)
        words: list[Any] = [
            was,
            becomes,
            document(job) if told else "",
            ref,
            keys.channel(job.client_id, job.job_id),
            keys.feed(job.client_id),
            self.settings.feed_length,
            counter,
            told_eta,
            *self.turns.words(job, step),
            to_text(self.settings.client_queued) if adds else "",
            request_id,
        ]
        for command, _ in pipe.command_stack:
            words += [len(command), *command]
        # to replace costs a sixth of what a report takes
        return Write(job if eta is job.eta else replace(job, eta=eta), self.turns.keys(job), words, simulate)

    def _written(self, write: Write, reply: Reply) -> Job | TooManyQueuedError | None:
        """Return the job that the script's answer speaks of, or why there is none; None: another one stands."""
        if reply is None:
            return None
        if isinstance(reply, list):
            most, running = reply
            return self._full(most, running, write.simulate)
        if reply < 0:
            return write.job
        placed = replace(write.job, position=reply)
        return replace(placed, eta=self.outlook.eta(placed, write.simulate))

    def _full(self, most: int, running: int, simulate: dict[str, Any] | None) -> TooManyQueuedError:
        """Return what to say of a full queue, which has room once one of the client's jobs has ended."""
        past = self.outlook.known(simulate)
        expected_s = past.runs.mean / max(1, running) if past else QUEUE_FULL_S
        retry_after_s = min(LONGEST_QUEUE_FULL_S, max(1, math.ceil(expected_s)))
        return TooManyQueuedError(f"{most} of your jobs may be in the queue", most=most, retry_after_s=retry_after_s)

    def _commit(self, write: Write) -> Job:
        written = self._written(write, self._advance(keys=write.keys, args=write.words))
        if isinstance(written, TooManyQueuedError):
            raise written
        if written is None:
            job_id = write.job.job_id
            raise StaleWriteError(f"job {job_id} is not at version {write.words[0] or 'none'} any more", job_id=job_id)
        return written
