"""The outbox: what is owed, from the step in which a job ends to the answer of who is told of it, and a while on.

A delivery is written with the end that it tells of. From then on it is its own: it keeps its body, and outlives the
job's record if its receiver is away for longer.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, cast

import redis
from redis.client import Pipeline
from rq import Queue
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from contract import delivery as moves
from contract.delivery import Answer, Delivery, DeliveryKind, DeliveryState
from contract.errors import BrokenRecordError, DeliveryNotFoundError
from contract.ids import uuid7
from contract.job import Job, to_rfc3339

from . import keys, measures, tally
from .keys import Ref
from .records import now_utc, to_ms
from .settings import StoreSettings
from .targets import Targets
from .workers import WEBHOOKS

TASK: Final = "worker.webhooks.deliver"
RQ_TTL_S: Final = 300
"""How long RQ keeps its own notes on an attempt that has ended."""
RQ_LIMIT_S: Final = 120
"""What RQ lets one attempt take: it has its own limit, and this one is for a process that hangs."""
EARLY_S: Final = 1.0
"""Hosts' clocks differ by so much at most: to be due in less is to be due."""
BATCH: Final = 200
TOLD: Final = 100
"""Deliveries of one job that are told of: it has another one only when it is reset."""
FIELDS: Final = ("document", "version", "client_id", "body", "request_id", "target_id")

CHANGE: Final = (Path(__file__).parent / "outbox.lua").read_text("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A delivery as it was read, with what only the service knows of it: whose it is, and the body to be sent.

    `request_id` is that of the request that began the job's round. A notification has a `target_id`: the body is the
    same, and what is said of it is for whoever sends it to put.
    """

    delivery: Delivery
    version: int
    client_id: str
    body: bytes
    request_id: str = ""
    target_id: str | None = None

    @classmethod
    def parse(cls, values: list[bytes | None]) -> Self | None:
        """Make a parcel of the values of `FIELDS`; None if there is none. Raises BrokenRecordError."""
        document, version, client_id, body, request_id, target_id = values
        if document is None or version is None or client_id is None or body is None:
            return None
        try:
            delivery = Delivery.from_wire(json.loads(document))
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenRecordError(f"not a delivery ({error!r}): {document[:200]!r}") from error
        return cls(
            delivery=delivery,
            version=int(version),
            client_id=client_id.decode(),
            body=body,
            request_id=(request_id or b"").decode(),
            target_id=None if target_id is None else target_id.decode(),
        )


class Outbox:
    """The deliveries. `clock` returns aware UTC times in whole milliseconds."""

    def __init__(
        self, connection: redis.Redis, settings: StoreSettings, clock: Callable[[], datetime] = now_utc
    ) -> None:
        self._redis, self._settings, self._clock = connection, settings, clock
        self._change = connection.register_script(CHANGE)
        self.targets = Targets(connection, clock)
        self.queue = Queue(WEBHOOKS, connection=connection, serializer=JSONSerializer)
        self.queue.redis_server_version = (7, 0, 0)  # as the ledger's: RQ would ask

    def add(self, pipe: Pipeline, job: Job, request_id: str = "") -> None:
        """Add to `pipe` what makes the deliveries of a job's end, to all who are to be told of it."""
        if job.callback_url:
            self._owe(pipe, job, moves.first(job, job.callback_url, delivery_id_of(job)), request_id)
        if not self._settings.notify_schemes:
            return
        for target in self.targets.wanting(job):
            delivery_id = delivery_id_of(job, target.target_id)
            delivery = moves.first(job, target.shown, delivery_id, DeliveryKind.NOTIFICATION)
            self._owe(pipe, job, delivery, request_id, {"target_id": target.target_id})

    def _owe(
        self,
        pipe: Pipeline,
        job: Job,
        delivery: Delivery,
        request_id: str,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        ref = keys.ref_of(job)
        facts: dict[Any, Any] = {
            "document": _json(delivery.to_wire()),
            "version": 1,
            "ref": ref,
            "client_id": job.client_id,
            "request_id": request_id,
            "body": _json({"type": delivery.type, "timestamp": to_rfc3339(job.updated_at), "data": job.to_wire()}),
            **more,
        }
        pipe.hset(keys.delivery(delivery.delivery_id), mapping=facts)
        pipe.zadd(keys.deliveries(ref), {delivery.delivery_id: to_ms(delivery.created_at)})
        self._enqueue(pipe, delivery, job.updated_at)

    def of_job(self, job_id: str, client_id: str) -> list[Delivery]:
        """Return the newest deliveries of a client's job, oldest first."""
        found = cast("list[bytes]", self._redis.zrange(keys.deliveries(keys.ref(client_id, job_id)), -TOLD, -1))
        with self._redis.pipeline(transaction=False) as pipe:
            for delivery_id in found:
                pipe.hmget(keys.delivery(delivery_id.decode()), FIELDS)
            parcels = [Parcel.parse(values) for values in pipe.execute()]
        return [each.delivery for each in parcels if each]

    def redeliver(self, job_id: str, delivery_id: str, client_id: str) -> Delivery:
        """Have a delivery sent again, now, whatever has become of it. Raises DeliveryNotFoundError."""
        while True:
            parcel = self._read(delivery_id)
            if parcel is None or (parcel.client_id, parcel.delivery.job_id) != (client_id, job_id):
                raise DeliveryNotFoundError(f"job {job_id} has no delivery {delivery_id}", job_id=job_id)
            now = self._clock()
            wanted = moves.again(parcel.delivery, now)
            if wanted == parcel.delivery:
                return wanted
            pipe = self._commands()
            # its place in the queue may be an old one, whose notes are about to be replaced
            pipe.lrem(self.queue.key, 0, delivery_id)
            pipe.zrem(keys.SETTLED, delivery_id)
            self._enqueue(pipe, wanted, now)
            if self._write(parcel, wanted, pipe):
                return wanted

    def begin(self, delivery_id: str, within_s: float) -> Parcel | None:
        """Take a delivery to send it, and hold it for `within_s`; None: there is nothing to send just now."""
        parcel, now = self._read(delivery_id), self._clock()
        if parcel is None or parcel.delivery.next_attempt_at is None:
            return None
        if parcel.delivery.next_attempt_at > now + timedelta(seconds=EARLY_S):
            return None
        begun, pipe = moves.begin(parcel.delivery, now), self._commands()
        pipe.zadd(keys.OUTBOX, {delivery_id: to_ms(now + timedelta(seconds=within_s))})
        if not self._write(parcel, begun, pipe):
            return None  # somebody else has taken it just now
        return replace(parcel, delivery=begun, version=parcel.version + 1)

    def settle(self, parcel: Parcel, answer: Answer, *, chance: float, speed: float = 1) -> Delivery | None:
        """Write how an attempt has ended, and return the delivery; None: it was given to somebody else meanwhile."""
        now = self._clock()
        settled, pipe = moves.settle(parcel.delivery, answer, now, chance=chance, speed=speed), self._commands()
        if settled.next_attempt_at:
            pipe.zadd(keys.OUTBOX, {settled.delivery_id: to_ms(settled.next_attempt_at)})
        else:
            self._put_away(pipe, settled, now)
        tally.put(pipe, measures.sent(settled, now))
        return settled if self._write(parcel, settled, pipe) else None

    def sweep(self, in_time: Callable[[], bool]) -> list[tuple[str, str, str]]:
        """Queue what is owed and in no queue, and forget what was settled long ago.

        Return what is worth telling, each as its kind (owed, broken), its job_id, and a detail for the log.
        """
        self.forget(in_time)
        now, found = self._clock(), []
        for delivery_id in self._due(keys.OUTBOX, now, in_time):
            try:
                parcel = self._read(delivery_id)
            except BrokenRecordError as error:
                found.append(("broken", delivery_id, str(error)))
                continue
            if parcel is None or parcel.delivery.state is not DeliveryState.PENDING:
                self._redis.zrem(keys.OUTBOX, delivery_id)
            elif self._bring_back(parcel, now):
                found.append(("owed", parcel.delivery.job_id, f"{delivery_id}, tried {parcel.delivery.tried} times"))
        return found

    def forget(self, in_time: Callable[[], bool]) -> None:
        """Forget deliveries that were settled long ago. Nothing but deletions: a full Redis allows no more."""
        for delivery_id in self._due(keys.SETTLED, self._clock(), in_time):
            key = keys.delivery(delivery_id)
            version, ref = cast("list[bytes | None]", self._redis.hmget(key, "version", "ref"))
            if version is None or ref is None:
                self._redis.zrem(keys.SETTLED, delivery_id)
                continue
            pipe = self._commands()
            pipe.delete(key, RqJob.key_for(delivery_id))
            pipe.zrem(keys.deliveries(Ref(ref.decode())), delivery_id)
            pipe.zrem(keys.SETTLED, delivery_id)
            self._run(delivery_id, int(version), pipe)

    def _due(self, index: str, now: datetime, in_time: Callable[[], bool]) -> Iterator[str]:
        found = cast("list[bytes]", self._redis.zrangebyscore(index, "-inf", to_ms(now), start=0, num=BATCH))
        return map(bytes.decode, takewhile(lambda _: in_time(), found))

    def _bring_back(self, parcel: Parcel, now: datetime) -> bool:
        """Queue a delivery whose time has come, or whose sender was lost, unless it is in the queue."""
        delivery, pipe = parcel.delivery, self._commands()
        if not delivery.is_under_way and self._redis.lpos(self.queue.key, delivery.delivery_id) is not None:
            pipe.zadd(keys.OUTBOX, {delivery.delivery_id: self._stray_ms(now)})  # nobody has come to it yet
            self._run(delivery.delivery_id, parcel.version, pipe)
            return False
        owed = delivery
        if delivery.is_under_way:
            owed = moves.abandon(delivery, now)
            tally.put(pipe, measures.lost(delivery))
        if owed.state is DeliveryState.PENDING:
            self._enqueue(pipe, owed, now)
        else:
            self._put_away(pipe, owed, now)
        return self._write(parcel, owed, pipe)

    def _enqueue(self, pipe: Pipeline, delivery: Delivery, now: datetime) -> None:
        """Put a delivery into RQ's queue. The sweep looks for it after a while, in case that it is popped and lost."""
        delivery_id = delivery.delivery_id
        pipe.zadd(keys.OUTBOX, {delivery_id: self._stray_ms(now)})
        pipe.delete(RqJob.key_for(delivery_id))  # notes on an earlier attempt, which would expire in the queue
        attempt = self.queue.create_job(
            TASK,
            args=(delivery_id,),
            job_id=delivery_id,
            description=f"tell of {delivery.job_id}",
            timeout=RQ_LIMIT_S,
            result_ttl=RQ_TTL_S,
            failure_ttl=RQ_TTL_S,
        )
        self.queue.enqueue_job(attempt, pipeline=pipe)

    def _stray_ms(self, now: datetime) -> int:
        return to_ms(now + timedelta(seconds=self._settings.stray_after_s))

    def _put_away(self, pipe: Pipeline, delivery: Delivery, now: datetime) -> None:
        """Have a settled delivery kept for as long as a job is."""
        pipe.zrem(keys.OUTBOX, delivery.delivery_id)
        kept_until = now + timedelta(seconds=self._settings.job_ttl_s)
        pipe.zadd(keys.SETTLED, {delivery.delivery_id: to_ms(kept_until)})

    def _read(self, delivery_id: str) -> Parcel | None:
        return Parcel.parse(cast("list[bytes | None]", self._redis.hmget(keys.delivery(delivery_id), FIELDS)))

    def _commands(self) -> Pipeline:
        pipe = self._redis.pipeline()
        pipe.multi()  # RQ's enqueue calls this itself where it was not called before the first command
        return pipe

    def _write(self, parcel: Parcel, delivery: Delivery, pipe: Pipeline) -> bool:
        """Make `delivery` what stands, with the commands in `pipe`; False: the parcel does not stand any more."""
        pipe.hset(keys.delivery(delivery.delivery_id), "document", _json(delivery.to_wire()))
        pipe.hset(keys.delivery(delivery.delivery_id), "version", str(parcel.version + 1))
        return self._run(delivery.delivery_id, parcel.version, pipe)

    def _run(self, delivery_id: str, version: int, pipe: Pipeline) -> bool:
        words: list[Any] = [version]
        for command, _ in pipe.command_stack:
            words += [len(command), *command]
        return self._change(keys=[keys.delivery(delivery_id)], args=words) is not None


def delivery_id_of(job: Job, target_id: str = "") -> str:
    """Return the id of the delivery that tells of this end of the job: the same for the same end, and for no other.

    A notification's is one for each target.
    """
    told = hashlib.sha256(f"{keys.ref_of(job)}:{job.seq}{target_id and f':{target_id}'}".encode()).digest()
    return f"msg_{uuid7(to_ms(job.updated_at), told[:10]).hex}"


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
