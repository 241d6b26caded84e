"""The record: one job's document in Redis, with what only the service knows of it."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, cast

import redis

from contract.errors import BrokenRecordError, JobNotFoundError
from contract.job import Eta, Job
from contract.states import State

from . import keys
from .keys import Ref

FIELDS: Final = (
    "document",
    "version",
    "run",
    "simulate",
    "number",
    "round",
    "fingerprint",
    "feed_id",
    "holder",
    "losses",
    "request_id",
)
_LIVE: Final = ("position", "eta")
_CANCEL: Final = "c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A job as it was read.

    `version` is the job's seq, and a mark once its cancelling was asked for: whoever writes names the version
    that it has read. `run` is the seq with which the present run began (0: none yet); `number` counts the
    client's jobs, `round` how often this one was reset; `feed_id` is where the feed has the change that made the
    job what it is ("": it was made by a version that did not keep it). `holder` names the process that has the
    present run, and `losses` counts the workers that this round has lost. `request_id` is that of the request
    that began this round.
    """

    job: Job
    version: str
    run: int = 0
    simulate: dict[str, Any] | None = None
    number: int = 0
    round: int = 0
    fingerprint: str = ""
    feed_id: str = ""
    holder: str = ""
    losses: int = 0
    request_id: str = ""

    @property
    def ref(self) -> Ref:
        """What names the job among those of all clients."""
        return keys.ref_of(self.job)

    @property
    def cancel_requested(self) -> bool:
        """Whether the job's owner has asked for its end."""
        return self.version.endswith(_CANCEL)

    def version_of(self, job: Job) -> str:
        """Return the version to write with `job`: a request to cancel stands until the job leaves the run."""
        carried = self.cancel_requested and job.state is self.job.state
        return f"{job.seq}{_CANCEL}" if carried else str(job.seq)

    @property
    def version_cancelling(self) -> str:
        """The version of this very document with the request to cancel."""
        return f"{self.job.seq}{_CANCEL}"

    @classmethod
    def parse(cls, values: list[bytes | None], rank: int | None = None) -> Self | None:
        """Make a record of the values of `FIELDS`; None if there is none. Raises BrokenRecordError.

        `rank` is the job's place in the queue, if it has one: that counts as long as the job is queued.
        """
        document, version, run, simulate, number, round_, fingerprint, feed_id, holder, losses, request_id = values
        if document is None or version is None:
            return None
        try:
            wire = json.loads(document)
            if wire["state"] == State.QUEUED:
                wire["position"] = rank
            job = Job.from_wire(wire, strict=True)
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenRecordError(f"not a job document ({error!r}): {document[:200]!r}") from error
        return cls(
            job=job,
            version=version.decode(),
            run=int(run or 0),
            simulate=json.loads(simulate) if simulate else None,
            number=int(number or 0),
            round=int(round_ or 0),
            fingerprint=(fingerprint or b"").decode(),
            feed_id=(feed_id or b"").decode(),
            holder=(holder or b"").decode(),
            losses=int(losses or 0),
            request_id=(request_id or b"").decode(),
        )


def seq_of(version: str) -> int:
    """Return the `seq` of the document that stands at a version."""
    return int(version.removesuffix(_CANCEL))


def document(job: Job) -> str:
    """Return the JSON to keep: the job document without its live fields."""
    wire = job.to_wire()
    for name in _LIVE:
        del wire[name]
    return _encode(wire)


def eta_json(eta: Eta | None) -> str:
    """Return the JSON of an eta, which is told and not kept."""
    return "null" if eta is None else json.dumps(asdict(eta), separators=(",", ":"), allow_nan=False)


def fetch(connection: redis.Redis, refs: list[Ref]) -> list[Record | None]:
    """Read many records at once, the queued ones with their position. Raises BrokenRecordError."""
    if len(refs) == 1:
        return [_fetch_alone(connection, refs[0])]
    with connection.pipeline(transaction=False) as pipe:
        for ref in refs:
            pipe.hmget(keys.record(ref), FIELDS)
        records = [Record.parse(values) for values in pipe.execute()]
        queued = [at for at, record in enumerate(records) if record and record.job.state is State.QUEUED]
        for at in queued:
            pipe.zrank(keys.QUEUED, refs[at])
        for at, rank in zip(queued, pipe.execute(), strict=True):
            record = cast("Record", records[at])
            records[at] = replace(record, job=replace(record.job, position=rank))
    return records


def _fetch_alone(connection: redis.Redis, ref: Ref) -> Record | None:
    with connection.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.record(ref), FIELDS)
        pipe.zrank(keys.QUEUED, ref)  # before it is known whether it has one: to ask again takes as long as all this
        values, rank = pipe.execute()
    return Record.parse(values, rank)


def fetch_one(connection: redis.Redis, client_id: str, job_id: str) -> Record:
    """Read one record of a client. Raises JobNotFoundError if it has none such, whatever others have."""
    record = _fetch_alone(connection, keys.ref(client_id, job_id))
    if record is None:
        raise JobNotFoundError(f"there is no job {job_id}", job_id=job_id)
    return record


def now_utc() -> datetime:
    """Return the time as documents have it: aware, UTC, whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def to_ms(moment: datetime) -> int:
    """Return Unix time in whole milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


_encode: Final = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False
).encode  # made once: `dumps` makes one each time
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
