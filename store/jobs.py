"""What a service that serves clients does with jobs: make, read, list, cancel, reset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from redis.client import Pipeline

from contract import moves
from contract.errors import JobExistsError, StaleWriteError
from contract.job import Job
from contract.limits import TooManyQueuedError
from contract.states import State

from . import keys
from .keys import Ref
from .ledger import Ledger, New
from .listing import Cursor, Page, scan
from .records import Record, fetch, fetch_one

IDEMPOTENCY_S: Final = 86_400
"""How long an Idempotency-Key is remembered at least: longer if jobs are kept for longer."""
TOGETHER: Final = 100
"""So many jobs are made in one round trip: in between, others have their turn."""


@dataclass(frozen=True, slots=True)
class Created:
    """A submission's job as it is now, and whether this very call made it."""

    job: Job
    is_new: bool


class JobStore:
    """The jobs, as the API sees them: always for one client, to whom others' jobs do not exist.

    Redis' own errors pass through; nothing is half done when one is raised.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._redis = ledger, ledger.redis
        self._told = ledger.outlook.told

    def create(
        self,
        job: Job,
        *,
        fingerprint: str,
        simulate: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        id_is_chosen: bool = False,
        request_id: str = "",
    ) -> Created:
        """Accept a new job, or return the one that the same submission has made before.

        `fingerprint` stands for everything that was submitted. With an `idempotency_key` that is known already
        the job takes the id that the key is bound to, unless the caller has chosen its id (`id_is_chosen`).
        `request_id` goes with the job to whatever is done for it.
        Raises JobExistsError if the job_id or the key belongs to another submission, and TooManyQueuedError.
        """
        new = New(job, fingerprint, simulate, request_id)
        if idempotency_key is None:
            return self._create(new)
        key = keys.idempotency(job.client_id, idempotency_key)
        kept_s = max(IDEMPOTENCY_S, int(self._ledger.settings.job_ttl_s))
        held = self._redis.set(key, job.job_id, nx=True, get=True, ex=kept_s)
        bound = held.decode() if isinstance(held, bytes) else job.job_id
        if id_is_chosen and bound != job.job_id:
            raise JobExistsError(f"this Idempotency-Key belongs to job {bound}", job_id=bound)
        try:
            created = self._create(replace(new, job=replace(job, job_id=bound)))
        except (JobExistsError, TooManyQueuedError):
            if held is None:  # a refusal leaves nothing behind
                self._redis.delete(key)
            raise
        if held is not None and created.is_new:  # whoever has bound the key was refused, and may have let go of it
            self._redis.set(key, bound, ex=kept_s)
        return created

    def create_many(self, wanted: Sequence[New]) -> list[Created | JobExistsError | TooManyQueuedError]:
        """Accept many new jobs in a few round trips, each judged alone; the answers are in the same order.

        Two with one job_id are judged one after the other. If Redis fails in the middle, some may have been made:
        they are found again by their job_ids.
        """
        found: list[Created | JobExistsError | TooManyQueuedError] = []
        for at in range(0, len(wanted), TOGETHER):
            some = wanted[at : at + TOGETHER]
            jobs = self._ledger.create_many(some)
            taken = [keys.ref_of(new.job) for new, job in zip(some, jobs, strict=True) if job is None]
            records = dict(zip(taken, self._fetch(taken), strict=True))
            for new, job in zip(some, jobs, strict=True):
                if isinstance(job, TooManyQueuedError):
                    found.append(job)
                else:
                    found.append(Created(job, is_new=True) if job else _judge(new, records[keys.ref_of(new.job)]))
        return found

    def read(self, job_id: str, client_id: str) -> Job:
        """Return one job. Raises JobNotFoundError."""
        return self._told(fetch_one(self._redis, client_id, job_id))

    def record(self, job_id: str, client_id: str) -> Record:
        """Return one job with what only the service knows of it. Raises JobNotFoundError."""
        record = fetch_one(self._redis, client_id, job_id)
        return replace(record, job=self._told(record))

    def _fetch(self, refs: list[Ref]) -> list[Record | None]:
        """Read many records, their jobs as they are to be told."""
        return [record and replace(record, job=self._told(record)) for record in fetch(self._redis, refs)]

    def read_many(self, job_ids: Sequence[str], client_id: str) -> list[Job]:
        """Return those of the jobs that exist, in the order asked for."""
        found = self._fetch([keys.ref(client_id, job_id) for job_id in job_ids])
        return [record.job for record in found if record is not None]

    def list(
        self,
        client_id: str,
        *,
        state: State | None = None,
        target_language: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Return the client's jobs, newest first. Raises InvalidFieldsError for a cursor that is none of ours."""

        def show(record: Record) -> Job | None:
            # a job may move on between the reading of the index and of its record
            fits = state in (None, record.job.state) and target_language in (None, record.job.target_language)
            return self._told(record) if fits else None

        start = Cursor.parse(cursor) if cursor is not None else None
        return scan(self._redis, client_id, state, start=start, limit=limit, show=show)

    def cancel(self, job_id: str, client_id: str) -> Job:
        """Ask a job to end: a queued one does at once, a running one when its worker hears of it.

        A cancelled job is returned as it is. Raises JobNotFoundError, or IllegalTransitionError in another
        final state.
        """
        while True:
            record = self.record(job_id, client_id)
            running = record.job.state is State.RUNNING
            if record.job.state is State.CANCELLED or (running and record.cancel_requested):
                return record.job
            try:
                if running:
                    self._ledger.ask_to_cancel(record)
                    return record.job
                return self._ledger.move(record, moves.cancel(record.job, self._ledger.clock())).job
            except StaleWriteError:
                continue  # it has moved on meanwhile: decide again

    def reset(self, job_id: str, client_id: str, *, request_id: str = "") -> Job:
        """Run a finished job again from its start. From now on `request_id` goes with it.

        Raises JobNotFoundError, IllegalTransitionError or TooManyQueuedError.
        """
        while True:
            record = self.record(job_id, client_id)
            try:
                again = moves.reset(record.job, self._ledger.clock())
                return self._ledger.move(record, again, notes={"request_id": request_id}).job
            except StaleWriteError:
                continue

    def single(self, client_id: str) -> str | None:
        """Return the job_id that the client's single-job status speaks of, if it was ever set."""
        held = self._redis.get(keys.single(client_id))
        return held.decode() if isinstance(held, bytes) else None

    def claim_single(self, client_id: str, job_id: str) -> str:
        """Make `job_id` the single job unless there is one; return the one that there is."""
        held = self._redis.set(keys.single(client_id), job_id, nx=True, get=True)
        return held.decode() if isinstance(held, bytes) else job_id

    def release_single(self, client_id: str, job_id: str) -> None:
        """Let go of a single job that was claimed and could not be made, unless somebody else has made it."""
        single, record = keys.single(client_id), keys.record(keys.ref(client_id, job_id))

        def release(pipe: Pipeline) -> None:
            is_claim = pipe.get(single) == job_id.encode() and not pipe.exists(record)
            pipe.multi()
            if is_claim:
                pipe.delete(single)

        self._redis.transaction(release, single, record)

    def set_single(self, client_id: str, job_id: str) -> None:
        """Make `job_id` the single job, whatever was before."""
        self._redis.set(keys.single(client_id), job_id)

    def _create(self, new: New) -> Created:
        try:
            made = self._ledger.create(
                new.job, fingerprint=new.fingerprint, simulate=new.simulate, request_id=new.request_id
            )
            return Created(made, is_new=True)
        except StaleWriteError:
            (record,) = self._fetch([keys.ref_of(new.job)])
            return _made_before(new, record)


def _judge(new: New, record: Record | None) -> Created | JobExistsError:
    try:
        return _made_before(new, record)
    except JobExistsError as error:
        return error


def _made_before(new: New, record: Record | None) -> Created:
    """Return what has taken the job_id of `new`, if that was the same submission. Raises JobExistsError."""
    job_id = new.job.job_id
    if record is None or record.fingerprint != new.fingerprint:
        raise JobExistsError(f"another submission has made job {job_id}", job_id=job_id)
    return Created(record.job, is_new=False)
