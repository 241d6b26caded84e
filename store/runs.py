"""What a worker does with one job: take it, report, end it, and hear whether it may go on."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import redis

from contract import moves
from contract.errors import StaleWriteError
from contract.job import Failure, Job, Output
from contract.states import State

from . import keys, measures
from .durations import Passage, Past, Sample
from .keys import Ref
from .ledger import Ledger
from .measures import Counts
from .presence import Presence
from .records import Record, fetch, fetch_one
from .settings import StoreSettings

BEAT: Final = (Path(__file__).parent / "beat.lua").read_text("utf-8")

_NOTHING: Final[Counts] = MappingProxyType({})


class Beat(StrEnum):
    """What a worker hears when it renews its lease."""

    GO = "go"
    CANCEL = "cancel"
    GONE = "gone"


class Run:
    """One attempt at one job, held by this worker until its lease ends.

    Every report raises StaleWriteError, having written nothing, once the job was given to somebody else.
    """

    def __init__(self, ledger: Ledger, record: Record, presence: Presence | None = None) -> None:
        self._ledger, self.record, self._presence = ledger, record, presence
        self._passage, self._kept = Passage(), record.job.progress
        self._stage_at = record.job.updated_at
        self._beat = ledger.redis.register_script(BEAT)

    @property
    def job(self) -> Job:
        """The job as this run last wrote it."""
        return self.record.job

    @property
    def settings(self) -> StoreSettings:
        """What the operator has set, limits of time among it."""
        return self._ledger.settings

    @property
    def past(self) -> Past | None:
        """What is known of jobs of this kind."""
        return self._ledger.outlook.known(self.record.simulate)

    def advance(self, stage: str | None, progress: float) -> Job:
        """Report the stage, and the progress of the whole job from 0.0 to 1.0."""
        job = self._write(lambda job, at: moves.advance(job, at, stage=stage, progress=progress))
        # what an earlier run of this attempt has reached says nothing of the time that this one takes
        if job.started_at and (job.progress > self._kept or not self._kept):
            self._passage.hear((job.updated_at - job.started_at).total_seconds(), job.progress)
        return job

    def complete(self, output: Output) -> Job:
        """End the job as completed, or as cancelled if its owner has asked for that in time."""
        return self._end(lambda job, at: moves.complete(job, at, output))

    def fail(self, failure: Failure, *, pause_s: float = 0) -> Job:
        """End the attempt: back to the queue after `pause_s` if the failure is a passing one, else `error`."""
        counts = measures.failed(failure.code, self.record.simulate)
        return self._end(lambda job, at: moves.fail_attempt(job, at, failure), pause_s=pause_s, counts=counts)

    def cancel(self) -> Job:
        """End the job as its owner asked."""
        return self._end(moves.cancel)

    def hand_back(self) -> Job:
        """Put the job in front of the queue, the attempt unchanged: this worker has to go."""
        return self._end(moves.hand_back)

    def beat(self) -> Beat:
        """Renew the lease, and stay present. May be called by another thread than the reports are."""
        answer = self.ask_beat()
        if self._presence:
            self._presence.keep()
        return Beat(answer.decode())

    def ask_beat(self, client: redis.Redis | None = None) -> Any:
        """Renew the lease by way of `client`, which may be a pipeline."""
        ref = self.record.ref
        return self._beat(
            keys=[keys.record(ref), keys.RUNNING],
            args=[self.record.run, self._ledger.lease_end_ms(), ref],
            client=client,
        )

    def _end(self, decide: Callable[[Job, datetime], Job], *, pause_s: float = 0, counts: Counts = _NOTHING) -> Job:
        def unless_cancelled(job: Job, at: datetime) -> Job:
            return moves.cancel(job, at) if self.record.cancel_requested else decide(job, at)

        return self._write(unless_cancelled, pause_s=pause_s, counts=counts)

    def _write(self, decide: Callable[[Job, datetime], Job], *, pause_s: float = 0, counts: Counts = _NOTHING) -> Job:
        while True:
            old = self.record.job
            meant = decide(old, self._ledger.clock())
            seen = {**measures.passed(old, meant, self._stage_at), **({} if meant.state is State.CANCELLED else counts)}
            try:
                sample = Sample.of(meant, self._passage.marks_s)
                self.record = self._ledger.move(self.record, meant, pause_s=pause_s, sample=sample, counts=seen)
            except StaleWriteError:
                if not self._is_written(meant):
                    continue
            if meant.stage != old.stage:
                self._stage_at = meant.updated_at
            return self.record.job

    def _is_written(self, meant: Job) -> bool:
        """Look again after a refusal: True if it was our own write, its answer lost.

        Raises StaleWriteError if the job is not this run's any more. Otherwise its owner has only asked for
        its end, and the caller may decide again.
        """
        current = fetch_one(self._ledger.redis, meant.client_id, meant.job_id)
        ours = current.run == self.record.run
        if ours and (current.job.seq, current.job.state) == (meant.seq, meant.state):
            self.record = current
            return True
        if not ours or current.job.state is not State.RUNNING:
            raise StaleWriteError(f"run {self.record.run} of job {meant.job_id} was given up", job_id=meant.job_id)
        self.record = current
        return False


def beat_all(ledger: Ledger, runs: Sequence[Run]) -> list[Beat]:
    """Renew many leases in one round trip, and return what each run hears."""
    with ledger.redis.pipeline(transaction=False) as pipe:
        for run in runs:
            run.ask_beat(pipe)
        return [Beat(answer.decode()) for answer in pipe.execute()]


class RunStore:
    """Where a worker gets its runs. With a `presence`, those of a process that dies are found within seconds."""

    def __init__(self, ledger: Ledger, presence: Presence | None = None) -> None:
        self._ledger, self._presence = ledger, presence

    def start(self, ref: str) -> Run | None:
        """Take the job of this Ref, as its delivery names it, if it is there to be taken.

        None says that this delivery is void: the job is unknown, running elsewhere, final, or waits for its
        next attempt.
        """
        while True:
            (record,) = fetch(self._ledger.redis, [Ref(ref)])
            if record is None or record.job.state is not State.QUEUED or record.job.position is None:
                return None
            holder = self._presence.announce() if self._presence else ""
            job = moves.start(record.job, self._ledger.clock())
            try:
                return Run(self._ledger, self._ledger.move(record, job, notes={"holder": holder}), self._presence)
            except StaleWriteError:
                continue  # cancelled, or taken by another delivery: look again
