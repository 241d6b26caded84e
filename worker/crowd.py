"""The jobs that one process has under way: each in a greenlet of its own, each ended and noted on its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol

import gevent
from gevent.event import Event
from redis.exceptions import RedisError
from rq.defaults import DEFAULT_RESULT_TTL
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.queue import Queue
from rq.timeouts import JobTimeoutException

from store.deliveries import Deliveries, Delivery, Ended

from .ends import Interrupted, Stop
from .penalty import GreenletPenalty

AWAY_S: Final = 0.5
"""The pause before RQ's notes are written again while Redis is away."""


class Host(Protocol):
    """What a crowd needs of the worker: how RQ itself deals with what is seldom."""

    def finish(self, place: "Place", value: object) -> None:
        """Note that the job has returned something, or has something to be done at its end."""

    def fail(self, place: "Place") -> None:
        """Note that the job has raised what is being handled."""

    def stopped(self, place: "Place") -> None:
        """Note that the job was stopped."""

    def release(self, job_ids: Sequence[str]) -> None:
        """Queue what has waited for these jobs."""


@dataclass(slots=True, eq=False)
class Place:
    """One job under way. `stop` is why it was interrupted, if it was."""

    job: RqJob
    delivery: Delivery
    execution: Execution
    penalty: GreenletPenalty
    began_s: float
    stop: Stop | None = None

    @property
    def queue(self) -> Queue:
        """Where it came from."""
        return self.delivery.queue


class Crowd:
    """Runs jobs. `changed` is set whenever one has ended, or the last of them is noted."""

    def __init__(self, host: Host, deliveries: Deliveries, slots: int, executions: dict[str, Execution]) -> None:
        self._host, self._deliveries, self._slots, self._executions = host, deliveries, slots, executions
        self._places: dict[str, Place] = {}
        self._ended: list[Ended] = []
        self._settles = False
        self.changed = Event()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def room(self) -> int:
        """How many more jobs there is room for."""
        return self._slots - len(self._places)

    @property
    def is_settled(self) -> bool:
        """Whether nothing runs, and Redis knows of all that has ended."""
        return not (self._places or self._ended or self._settles)

    def admit(self, job: RqJob, delivery: Delivery, execution: Execution) -> None:
        """Begin a job."""
        limit_s = job.timeout or Queue.DEFAULT_TIMEOUT
        place = Place(job, delivery, execution, GreenletPenalty(limit_s, JobTimeoutException), monotonic())
        self._places[delivery.execution_id] = place
        self._executions[delivery.execution_id] = execution
        gevent.spawn(self._run, place)

    def going_on(self) -> list[Delivery]:
        """Return what runs."""
        return [place.delivery for place in self._places.values()]

    def stop_job(self, job_id: str, why: Stop) -> int:
        """Interrupt what runs of this job, and nothing else; return how many that were."""
        return self._interrupt([place for place in self._places.values() if place.job.id == job_id], why)

    def stop_execution(self, execution_id: str, why: Stop) -> int:
        """Interrupt this execution."""
        return self._interrupt([place for key, place in self._places.items() if key == execution_id], why)

    def stop_all(self, why: Stop) -> int:
        """Interrupt everything."""
        return self._interrupt(list(self._places.values()), why)

    def _interrupt(self, places: Sequence[Place], why: Stop) -> int:
        for place in places:
            if place.stop is None:
                place.stop = why
                place.penalty.strike(Interrupted(why))
        return len(places)

    def _run(self, place: Place) -> None:
        try:
            with place.penalty:
                if place.stop:  # before it began
                    raise Interrupted(place.stop)  # noqa: TRY301
                value = place.job.perform()
            self._returned(place, value)
        except Interrupted:
            self._interrupted(place)
        except BaseException:  # noqa: BLE001 - whatever a job raises is its own; the worker goes on
            self._host.fail(place)
        finally:
            del self._places[place.delivery.execution_id]
            self._executions.pop(place.delivery.execution_id, None)
            self.changed.set()

    def _returned(self, place: Place, value: object) -> None:
        if place.stop is Stop.STOPPED:
            self._host.stopped(place)
        elif value is None and is_plain(place.job):
            ttl_s = place.job.get_result_ttl(DEFAULT_RESULT_TTL)
            self._note(Ended(delivery=place.delivery, worked_s=monotonic() - place.began_s, ttl_s=ttl_s))
        else:
            self._host.finish(place, value)

    def _interrupted(self, place: Place) -> None:
        """Deal with a job that has let the interruption pass, as all do that are none of ours."""
        if place.stop is Stop.STOPPED:
            self._host.stopped(place)
        else:
            self._deliveries.put_back(place.delivery)

    def _note(self, ended: Ended) -> None:
        self._ended.append(ended)
        if not self._settles:
            self._settles = True
            gevent.spawn(self._settle)

    def _settle(self) -> None:
        """Write RQ's notes on what has ended, all that has gathered at once; again and again while Redis is away."""
        while self._ended:
            batch, self._ended = self._ended, []
            try:
                self._host.release(self._deliveries.settle(batch))
            except RedisError:
                self._ended = batch + self._ended
                gevent.sleep(AWAY_S)
        self._settles = False
        self.changed.set()

    def await_change(self, within_s: float | None = None) -> bool:
        """Wait until something has ended, or somebody sets `changed`; return whether that came in time."""
        came: bool = self.changed.wait(within_s)
        self.changed.clear()
        return came


def is_plain(job: RqJob) -> bool:
    """Whether nothing is to be done at the job's good end but to note it."""
    hooks = (job._success_callback_name, job._dependency_ids)  # noqa: SLF001 - to ask for them would load them
    return not any((*hooks, job.repeats_left, job.webhooks, job.group_id, job.has_rate_limit))
