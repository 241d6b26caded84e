"""A worker that has many jobs under way in one process: `rq worker -S json -w worker.concurrent.ConcurrentWorker`.

Translation jobs mostly wait, so a thousand of them need a thousand greenlets, not a thousand processes. To RQ this is
one of its workers: it is listed, suspended, stopped and told to stop a job like any other.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from types import FrameType
from typing import Any, Final

import gevent
import redis
from gevent.event import Event
from gevent.local import local
from redis.exceptions import RedisError
from rq import Queue, Worker, worker_registration
from rq.command import parse_payload
from rq.defaults import DEFAULT_LOGGING_DATE_FORMAT, DEFAULT_LOGGING_FORMAT
from rq.job import Job as RqJob
from rq.utils import now
from rq.worker import DequeueStrategy, WorkerStatus

from store.deliveries import Deliveries, Delivery
from store.sweep import Sweep
from store.sweeper import Sweeper

from . import line, logs, tasks
from .carrier import Carrier
from .crowd import Crowd, Place
from .ends import Stop
from .intake import Intake
from .patched import ensure_patched
from .penalty import GreenletPenalty
from .settings import WorkerSettings, settings_or_exit
from .timetable import TURN_S, Timetable

HEART_S: Final = 1.0
BEAT_S: Final = 5.0
GRACE_S: Final = 3.0
"""For so long nothing may have been handed back before the rest is given up: leases will tell of it."""
PAUSE_S: Final = 1.0
"""Between tries to hear commands while Redis is away."""


class ConcurrentWorker(Worker):
    """Runs up to DUBQ_SLOTS jobs at once, each in a greenlet."""

    death_penalty_class = GreenletPenalty
    connection: Carrier

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._own = local()
        super().__init__(*args, **kwargs)
        for queue in self.queues:
            queue.connection = self.connection  # RQ's command line has made them with a pool that hundreds would drain
        self._asked_to_stop = 0
        self._hurry = Event()
        self._beaten_s = -BEAT_S
        self._settings = WorkerSettings()
        self._deliveries = Deliveries(self.connection, self.name, ttl_s=self.job_monitoring_interval + 60)

    @property
    def _stopped_job_id(self) -> str | None:
        """The job that this greenlet is to describe as stopped: RQ has one place for it, and we have many jobs."""
        return getattr(self._own, "stopped_job_id", None)

    @_stopped_job_id.setter
    def _stopped_job_id(self, job_id: str | None) -> None:
        self._own.stopped_job_id = job_id

    def _set_connection(self, connection: redis.Redis) -> Carrier:
        return Carrier.like(connection)

    def serialize(self) -> dict[Any, Any]:
        """Return what Redis shall know of this worker: as RQ has it, and how many jobs it can have at once."""
        return {**super().serialize(), "slots": self._settings.slots}

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        """Do nothing: there is no horse, and RQ's own would kill our process group."""

    def work(  # noqa: PLR0917 - RQ's signature
        self,
        burst: bool = False,  # noqa: FBT001, FBT002
        logging_level: str | None = None,
        date_format: str = DEFAULT_LOGGING_DATE_FORMAT,
        log_format: str = DEFAULT_LOGGING_FORMAT,
        max_jobs: int | None = None,
        max_idle_time: int | None = None,
        with_scheduler: bool = False,  # noqa: FBT001, FBT002
        dequeue_strategy: DequeueStrategy = DequeueStrategy.DEFAULT,
    ) -> bool:
        """Work until asked to stop; with `burst` until the queues are empty. Returns whether there were any jobs."""
        ensure_patched()
        self._settings = settings_or_exit(os.environ)
        self._dequeue_strategy = dequeue_strategy
        self.connection.share(self._settings.store)
        self._crowd = Crowd(self, self._deliveries, self._settings.slots, self.executions)
        self.bootstrap(logging_level, date_format, log_format)
        timetable = Timetable(self.queues, self.connection, self.serializer) if with_scheduler else None
        if timetable:
            timetable.turn()
        self._intake = Intake(self._deliveries, self.queues, self._note_away)
        self._install_signal_handlers()
        log = logs.configure(self._settings.log_level, self._settings.log_format)
        janitor = Sweeper(Sweep(self.connection.ledger), log)
        janitor.start()
        beside = [gevent.spawn(self._repeat, *each) for each in self._upkeep(timetable)]
        try:
            return self._serve(burst=burst, most=max_jobs, idle_s=max_idle_time) > 0
        finally:
            self._intake.close()
            self._drain()
            janitor.stop()
            gevent.killall(beside)
            if timetable:
                timetable.close()
            self.connection.presence.close()
            self.teardown()

    def _serve(self, *, burst: bool, most: int | None, idle_s: float | None) -> int:
        """Take jobs while there is room for them, until asked to stop; return how many there were."""
        count, busy_s = 0, monotonic()
        while not self._asked_to_stop and (most is None or count < most):
            if not self._crowd.room:
                self._crowd.await_change()
                continue
            room = self._crowd.room if most is None else min(self._crowd.room, most - count)
            found = self._intake.take(self._ordered_queues, room)
            for delivery, fields in found:
                self._admit(delivery, fields)
            count += len(found)
            if found or len(self._crowd):
                busy_s = monotonic()
            if found:
                self.reorder_queues(found[-1][0].queue)
            elif burst and (self._intake.is_suspended or self._crowd.is_settled):
                break
            elif burst:
                self._crowd.await_change()
            elif idle_s is not None and monotonic() - busy_s >= idle_s:
                break
            else:
                self._intake.wait()
        return count

    def _admit(self, delivery: Delivery, fields: dict[bytes, bytes]) -> None:
        execution = delivery.execution(self.connection, self.name)
        job = self.job_class(delivery.job_id, connection=self.connection, serializer=self.serializer)
        try:
            job.restore(fields)
        except Exception:  # what Redis holds of one job is no matter of the others
            self.log.exception("Worker %s: job %s cannot be read", self.name, delivery.job_id)
            return
        execution._job = job  # noqa: SLF001 - as RQ's own workers have it
        self._crowd.admit(job, delivery, execution)

    def _drain(self) -> None:
        """Let what runs end within the drain time; what does not, or when somebody is in a hurry, is handed back."""
        until_s = monotonic() + self._settings.drain_s
        while not self._crowd.is_settled and monotonic() < until_s and not self._hurry.is_set():
            self._crowd.await_change(until_s - monotonic())
        handed_back = self._crowd.stop_all(Stop.HANDED_BACK)
        if handed_back:
            self.log.info("Worker %s: handing back %d jobs", self.name, handed_back)
        while not self._crowd.is_settled and self._crowd.await_change(GRACE_S):
            pass  # as long as one after the other lets go

    def request_stop(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - RQ's signature
        """Take no more jobs; asked a second time, hand back at once what runs."""
        self._shutdown_requested_date = now()
        self._asked_to_stop += 1
        self.log.info("Worker %s: asked to stop with %d jobs under way", self.name, len(self._crowd))
        if self._asked_to_stop > 1:
            self._hurry.set()
        self._intake.wake()
        self._crowd.changed.set()

    def _install_signal_handlers(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self.request_stop, number, None)

    def teardown(self) -> None:
        """Take leave of RQ. While Redis is away, our entry there ends by itself."""
        try:
            super().teardown()  # type: ignore[no-untyped-call]  # RQ has no hint here
        except RedisError as error:
            self._note_away(error)

    # what RQ does with a job whose end is not an ordinary one

    def finish(self, place: Place, value: object) -> None:
        """Note that the job has returned something, or that there is more to be done at its end."""
        place.job.started_at = place.execution.created_at
        self._finalize_success(place.job, place.queue, place.execution, value)

    def fail(self, place: Place) -> None:
        """Note that the job has raised what is being handled."""
        place.job.started_at = place.execution.created_at
        self._finalize_failure(place.job, place.queue, place.execution, sys.exc_info())

    def stopped(self, place: Place) -> None:
        """Note that the job was stopped."""
        place.job.started_at, place.job.ended_at = place.execution.created_at, now()
        self._stopped_job_id = place.job.id
        self._handle_stopped_job(place.job, place.queue, place.execution)

    def release(self, job_ids: Sequence[str]) -> None:
        """Queue what has waited for these jobs."""
        for job_id in job_ids:
            job = RqJob.fetch(job_id, connection=self.connection, serializer=self.serializer)
            self._enqueue_dependents_safely(
                Queue(job.origin, connection=self.connection, serializer=self.serializer), job
            )

    # beside the work

    def _upkeep(self, timetable: Timetable | None) -> list[tuple[Callable[[], object], float]]:
        """Return what has to be done beside the work, and how many seconds apart."""
        return [
            (self.connection.pulse.beat, line.BEAT_S),
            (self._beat, HEART_S),
            (self._keep, self.job_monitoring_interval),
            (self.run_maintenance_tasks, self.maintenance_interval),
            *([(timetable.turn, TURN_S)] if timetable else []),
        ]

    def _repeat(self, act: Callable[[], object], pause_s: float) -> None:
        """Do it for ever. While Redis is away it fails, and is tried again."""
        while True:
            try:
                act()
            except RedisError as error:
                self._note_away(error)
            gevent.sleep(pause_s)

    def _keep(self) -> None:
        """Tell RQ that what is under way goes on."""
        self._deliveries.keep(self._crowd.going_on())

    def _beat(self) -> None:
        """Tell RQ that this worker lives, and what state it is in."""
        state = WorkerStatus.BUSY if len(self._crowd) else WorkerStatus.IDLE
        if self._intake.is_suspended:
            state = WorkerStatus.SUSPENDED
        if state == self.get_state() and monotonic() - self._beaten_s < BEAT_S:
            return
        with self.connection.pipeline() as pipe:
            pipe.hexists(self.key, "birth")
            self.set_state(state, pipeline=pipe)
            self.heartbeat(pipeline=pipe)
            is_known, *_ = pipe.execute()
            if not is_known:  # Redis has forgotten us
                pipe.hset(self.key, mapping=self.serialize())
                worker_registration.register(self, pipe)
                pipe.execute()
        self._beaten_s = monotonic()

    def _note_away(self, error: RedisError) -> None:
        self.log.warning("Worker %s: Redis is away: %s", self.name, error)

    # being told

    def subscribe(self) -> None:
        """Listen for RQ's commands."""
        self._line = self.connection.pubsub()  # type: ignore[no-untyped-call]
        self._line.subscribe(**{self.pubsub_channel_name: self.handle_payload})
        self._hearing = gevent.spawn(self._hear)

    def unsubscribe(self) -> None:
        """Listen no more."""
        self._hearing.kill()
        self._line.close()

    def _hear(self) -> None:
        while True:
            try:
                self._line.get_message(timeout=tasks.COMMAND_S - 1)  # it subscribes again by itself
            except RedisError as error:
                self._note_away(error)
                gevent.sleep(PAUSE_S)

    def handle_payload(self, message: dict[str, Any]) -> None:
        """Do what a command says: stop one job or one execution, or shut down."""
        payload = parse_payload(message)
        command = payload.get("command")
        if command == "shutdown":
            self.request_stop(signal.SIGINT, None)
        elif command == "stop-job" and self._crowd.stop_job(payload["job_id"], Stop.STOPPED):
            self.log.info("Worker %s: job %s is stopped", self.name, payload["job_id"])
        elif command == "stop-execution" and self._crowd.stop_execution(payload["execution_id"], Stop.STOPPED):
            self.log.info("Worker %s: execution %s is stopped", self.name, payload["execution_id"])
        else:
            self.log.warning("Worker %s: nothing to do for %s", self.name, payload)
