"""RQ's notes on deliveries that are taken, kept and settled by the dozen; on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rq import Queue
from rq.defaults import DEFAULT_RESULT_TTL
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend

from store.deliveries import Deliveries, Delivery, Ended

if TYPE_CHECKING:
    import redis

TTL_S = 90


@pytest.fixture
def queue(connection: redis.Redis) -> Queue:
    return Queue("default", connection=connection, serializer=JSONSerializer)


@pytest.fixture
def deliveries(connection: redis.Redis) -> Deliveries:
    return Deliveries(connection, "w1", ttl_s=TTL_S)


def fill(queue: Queue, count: int) -> list[RqJob]:
    return [queue.enqueue_call("deeds.nothing", job_id=f"{queue.name}-{number}") for number in range(count)]


def taken(deliveries: Deliveries, queue: Queue, most: int = 10) -> list[Delivery]:
    return [delivery for delivery, _ in deliveries.take([queue], most) or []]


def ended(delivery: Delivery, ttl_s: int = DEFAULT_RESULT_TTL) -> Ended:
    return Ended(delivery=delivery, worked_s=0.5, ttl_s=ttl_s)


def test_what_is_taken_has_begun_as_rq_sees_it(deliveries: Deliveries, queue: Queue, connection: redis.Redis) -> None:
    first, second, third = fill(queue, 3)
    found = taken(deliveries, queue, 2)
    assert [delivery.job_id for delivery in found] == [first.id, second.id]
    assert queue.job_ids == [third.id]
    first.refresh()
    assert (first.get_status(), first.worker_name, connection.ttl(first.key)) == (JobStatus.STARTED, "w1", -1)
    assert queue.started_job_registry.get_job_ids() == [first.id, second.id]
    execution = Execution.fetch(found[0].execution_id, first.id, connection)
    assert (execution.worker_name, first.get_executions()) == ("w1", [execution])


def test_of_several_queues_the_first_is_emptied_first(
    deliveries: Deliveries, queue: Queue, connection: redis.Redis
) -> None:
    high = Queue("high", connection=connection, serializer=JSONSerializer)
    jobs = [*fill(high, 2), *fill(queue, 2)]
    found = deliveries.take([high, queue], 3)
    assert found is not None
    assert [(delivery.job_id, delivery.queue.name) for delivery, _ in found] == [
        (job.id, job.origin) for job in jobs[:3]
    ]


def test_a_job_that_was_forgotten_in_the_queue_is_passed_over(deliveries: Deliveries, queue: Queue) -> None:
    gone, there = fill(queue, 2)
    queue.connection.delete(gone.key)
    assert [delivery.job_id for delivery in taken(deliveries, queue)] == [there.id]


def test_nothing_is_taken_while_workers_are_suspended(deliveries: Deliveries, queue: Queue) -> None:
    fill(queue, 1)
    suspend(queue.connection)
    assert deliveries.take([queue], 1) is None
    resume(queue.connection)
    assert len(taken(deliveries, queue)) == 1


@pytest.mark.parametrize("ttl_s", [300, -1, 0])
def test_what_is_settled_leaves_what_rq_leaves(deliveries: Deliveries, queue: Queue, ttl_s: int) -> None:
    (job,) = fill(queue, 1)
    before = set(queue.connection.keys())
    (delivery,) = taken(deliveries, queue)
    assert deliveries.settle([ended(delivery, ttl_s)]) == []
    assert queue.started_job_registry.count == 0
    assert not queue.connection.keys("rq:execution*")
    if ttl_s:
        assert (job.get_status(), queue.finished_job_registry.get_job_ids()) == (JobStatus.FINISHED, [job.id])
        assert queue.connection.ttl(job.key) == ttl_s
    else:
        assert set(queue.connection.keys()) <= before - {job.key.encode()}


def test_who_has_others_waiting_for_it_is_named(deliveries: Deliveries, queue: Queue) -> None:
    first, other = fill(queue, 2)
    queue.enqueue_call("deeds.nothing", depends_on=first)
    assert deliveries.settle([ended(each) for each in taken(deliveries, queue)]) == [first.id]
    assert other.get_status() is JobStatus.FINISHED


def test_a_job_that_was_queued_again_meanwhile_is_not_described_as_finished(
    deliveries: Deliveries, queue: Queue
) -> None:
    (job,) = fill(queue, 1)
    (delivery,) = taken(deliveries, queue)
    queue.connection.delete(job.key)
    fill(queue, 1)
    deliveries.settle([ended(delivery)])
    assert (job.get_status(), queue.job_ids) == (JobStatus.QUEUED, [job.id])
    assert queue.connection.ttl(job.key) == -1
    assert queue.started_job_registry.count == queue.finished_job_registry.count == 0


def test_what_goes_on_is_kept_and_what_has_ended_stays_so(
    deliveries: Deliveries, queue: Queue, connection: redis.Redis
) -> None:
    fill(queue, 2)
    going_on, over = taken(deliveries, queue)
    deliveries.settle([ended(over, 0)])
    before = set(connection.keys())
    for key in connection.scan_iter("rq:execution:*"):
        connection.expire(key, 5)
    deliveries.keep([going_on, over])
    assert set(connection.keys()) == before
    assert [connection.ttl(key) for key in connection.scan_iter("rq:execution:*")] == [TTL_S]


def test_what_is_put_back_is_as_if_it_had_not_been_taken(deliveries: Deliveries, queue: Queue) -> None:
    job, other = fill(queue, 2)
    deliveries.put_back(taken(deliveries, queue, 1)[0])
    assert (queue.job_ids, job.get_status()) == ([job.id, other.id], JobStatus.QUEUED)
    assert (job.refresh(), job.worker_name, job.started_at) == (None, None, None)
    assert queue.started_job_registry.count == 0
    assert not queue.connection.keys("rq:*executions*")


def test_waiting_for_something_to_take_takes_nothing(deliveries: Deliveries, queue: Queue) -> None:
    jobs = fill(queue, 2)
    assert deliveries.await_one(queue, 0.01)
    assert queue.job_ids == [job.id for job in jobs]
