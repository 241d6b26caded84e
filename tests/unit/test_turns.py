"""Whose turn it is, and what of it stands in RQ's list; on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from given import OUTPUT, a_job

from contract.job import Failure, Job, Priority
from contract.limits import Limit
from contract.states import State
from store import feed, keys
from store.jobs import JobStore
from store.keys import ref
from store.ledger import Ledger, New
from store.limits import change
from store.settings import StoreSettings

if TYPE_CHECKING:
    import redis
    from given import Clock

    from store.runs import RunStore
    from store.sweep import Sweep

LIST = "rq:queue:default"
PASSING = Failure(code="x", message="", retryable=True)


@pytest.fixture
def ledger(connection: redis.Redis, clock: Clock) -> Ledger:
    """Return a ledger that lets RQ's list have three jobs."""
    return Ledger(connection, StoreSettings(window=3), clock)


def submit(ledger: Ledger, names: str, client_id: str = "a", priority: Priority = Priority.DEFAULT) -> None:
    """Make a job of each letter."""
    made = ledger.create_many(New(a_job(name, client_id=client_id, priority=priority), "f") for name in names)
    assert all(made)


def letters(refs: list[bytes]) -> str:
    """Return the job_ids, each of which is a letter."""
    return b"".join(each[-1:] for each in refs).decode()


def limited(connection: redis.Redis, client_id: str, running: int | None) -> None:
    with connection.pipeline() as pipe:
        change(pipe, client_id, {Limit.RUNNING: None if running is None else str(running)})
        pipe.execute()


def order(connection: redis.Redis) -> str:
    return letters(connection.zrange(keys.QUEUED, 0, -1))


def listed(connection: redis.Redis) -> str:
    return letters(connection.lrange(LIST, 0, -1))


def pop(connection: redis.Redis) -> str:
    popped = connection.lpop(LIST)
    assert isinstance(popped, bytes)
    return popped.decode()


def read(jobs: JobStore, job_id: str, client_id: str = "a") -> Job:
    return jobs.read(job_id, client_id)


def test_clients_take_turns(ledger: Ledger, connection: redis.Redis) -> None:
    submit(ledger, "abcdefgh")
    submit(ledger, "1", "b")
    submit(ledger, "XY", "c")
    assert order(connection) == "a1XbYcdefgh"


def test_the_urgent_of_one_client_go_first_and_the_others_are_not_forgotten(
    ledger: Ledger, connection: redis.Redis
) -> None:
    submit(ledger, "z", priority=Priority.LOW)
    submit(ledger, "abcdefgh")
    submit(ledger, "123456", priority=Priority.HIGH)
    assert order(connection) == "123a456bczdefgh"


def test_a_flow_that_was_idle_has_neither_credit_nor_debt(
    ledger: Ledger, runs: RunStore, connection: redis.Redis
) -> None:
    submit(ledger, "abcdefgh")
    for _ in range(5):
        assert runs.start(pop(connection))
    submit(ledger, "12", "b")
    assert order(connection) == "f1g2h"
    submit(ledger, "i")
    assert order(connection) == "f1g2hi"


def test_rq_has_the_first_of_the_queue_and_no_more(ledger: Ledger, connection: redis.Redis) -> None:
    submit(ledger, "abcde")
    assert listed(connection) == "abc"
    submit(ledger, "H", priority=Priority.HIGH)
    assert listed(connection) == "Hab"
    assert order(connection) == "Habcde"


def test_each_start_lets_the_next_in(ledger: Ledger, runs: RunStore, connection: redis.Redis) -> None:
    submit(ledger, "abcde")
    taken = [pop(connection), pop(connection)]
    assert listed(connection) == "c"
    for each in taken:
        assert runs.start(each)
    assert listed(connection) == "cde"


def test_cancelling_takes_a_job_out_of_the_list_at_once(
    ledger: Ledger, jobs: JobStore, connection: redis.Redis
) -> None:
    submit(ledger, "abcde")
    jobs.cancel("b", "a")
    jobs.cancel("d", "a")
    assert listed(connection) == order(connection) == "ace"
    assert read(jobs, "e").position == 2


def test_what_a_worker_holds_is_ahead_of_whoever_comes(
    ledger: Ledger, jobs: JobStore, runs: RunStore, connection: redis.Redis
) -> None:
    submit(ledger, "abcde")
    held = [pop(connection), pop(connection), pop(connection)]
    submit(ledger, "H", priority=Priority.HIGH)
    assert read(jobs, "H").position == 3
    assert listed(connection) == "Hde"
    for each in held:
        assert runs.start(each)
    assert order(connection) == listed(connection) == "Hde"


def test_a_retry_has_its_place_again_and_a_reset_job_a_new_one(
    ledger: Ledger, jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    submit(ledger, "abcde")
    for _ in range(2):
        run = runs.start(pop(connection))
        assert run is not None
    run.fail(PASSING, pause_s=3)
    submit(ledger, "H", priority=Priority.HIGH)
    clock.pass_s(3)
    sweep.due(clock())
    assert order(connection) == "bHcde"
    jobs.cancel("b", "a")
    jobs.reset("b", "a")
    assert order(connection) == "Hcdeb"
    assert listed(connection) == "Hcd"


def test_jobs_of_others_in_rqs_queue_stay_there(ledger: Ledger, connection: redis.Redis) -> None:
    connection.rpush(LIST, "1", "2")
    submit(ledger, "abc")
    assert listed(connection) == "12a"
    connection.rpush(LIST, "3")
    submit(ledger, "H", priority=Priority.HIGH)
    assert {"1", "2", "3"} < set(listed(connection))
    assert order(connection) == "Habc"


def test_a_queue_that_was_emptied_by_hand_is_filled_again(
    ledger: Ledger, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    submit(ledger, "abcde")
    connection.delete(LIST)
    for _ in range(2):
        sweep.strays(clock())
        clock.pass_s(6)
    assert listed(connection) == "abc"
    assert order(connection) == "abcde"


def test_workers_that_have_taken_all_and_started_none_get_more(
    ledger: Ledger, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    submit(ledger, "abcde")
    for _ in range(3):
        pop(connection)
    assert sweep.strays(clock()) == []
    assert listed(connection) == "de"


def test_an_empty_queue_leaves_nothing_but_the_count_of_turns(
    ledger: Ledger, jobs: JobStore, runs: RunStore, connection: redis.Redis
) -> None:
    submit(ledger, "abc")
    jobs.cancel("a", "a")
    for job_id in "bc":
        run = runs.start(ref("a", job_id))
        assert run is not None
        run.complete(OUTPUT)
    assert {key.decode() for key in connection.scan_iter("dubq:flow:*")} == set()
    assert connection.exists(keys.QUEUED, LIST) == 0


def test_tags_stay_exact_after_a_thousand_million_jobs(ledger: Ledger, runs: RunStore, connection: redis.Redis) -> None:
    connection.hset(keys.TURNS, "served", 16 * 10**9 * 65536)
    submit(ledger, "a", priority=Priority.LOW)
    submit(ledger, "b", "b", priority=Priority.LOW)
    submit(ledger, "c", priority=Priority.HIGH)
    assert order(connection) == "cab"
    assert runs.start(ref("a", "c"))
    served = connection.hget(keys.TURNS, "served")
    assert served == b"%d" % ((16 * 10**9 + 1) * 65536 + 3)
    assert read(JobStore(ledger), "a").state is State.QUEUED


def test_a_client_at_its_limit_has_its_other_jobs_stand_aside(
    ledger: Ledger, jobs: JobStore, runs: RunStore, connection: redis.Redis
) -> None:
    limited(connection, "a", 2)
    submit(ledger, "abcde")
    submit(ledger, "12", "b")
    assert order(connection) == "a1b2"
    assert [job.position for job in jobs.read_many(list("abcde"), "a")] == [0, 2, None, None, None]
    first = runs.start(ref("a", "a"))
    assert first is not None
    assert runs.start(ref("a", "b"))
    assert runs.start(ref("a", "c")) is None
    assert order(connection) == "12"
    first.complete(OUTPUT)
    assert order(connection) == "12c"
    jobs.cancel("c", "a")
    assert order(connection) == "12d"


def test_the_urgent_jobs_of_a_client_at_its_limit_go_first(
    ledger: Ledger, jobs: JobStore, connection: redis.Redis
) -> None:
    limited(connection, "a", 1)
    submit(ledger, "abc")
    submit(ledger, "H", priority=Priority.HIGH)
    jobs.cancel("a", "a")
    assert order(connection) == "H"


def test_so_do_those_that_come_when_others_have_got_far_ahead(
    ledger: Ledger, runs: RunStore, connection: redis.Redis
) -> None:
    limited(connection, "a", 1)
    submit(ledger, "abc")
    submit(ledger, "12", "b", priority=Priority.LOW)
    for client_id, job_id in ("aa", "b1", "b2"):
        assert runs.start(ref(client_id, job_id))
    submit(ledger, "H", priority=Priority.HIGH)
    assert letters(connection.zrange(keys.aside("a"), 0, -1)) == "bHc"


def test_a_job_that_pauses_keeps_its_share_of_the_limit(
    ledger: Ledger, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    limited(connection, "a", 1)
    submit(ledger, "abc")
    run = runs.start(ref("a", "a"))
    assert run is not None
    run.fail(PASSING, pause_s=3)
    assert order(connection) == ""
    clock.pass_s(3)
    sweep.due(clock())
    assert order(connection) == listed(connection) == "a"


def test_a_limit_that_was_raised_lets_more_in_at_the_next_step(ledger: Ledger, connection: redis.Redis) -> None:
    limited(connection, "a", 1)
    submit(ledger, "abcdef")
    limited(connection, "a", 3)
    JobStore(ledger).cancel("f", "a")
    assert order(connection) == "abc"
    limited(connection, "a", None)
    JobStore(ledger).cancel("e", "a")
    assert order(connection) == "abcd"


def test_a_limit_for_all_holds_for_each_client_alone(connection: redis.Redis, clock: Clock) -> None:
    ledger = Ledger(connection, StoreSettings(client_running=2), clock)
    limited(connection, "c", 3)
    submit(ledger, "abc")
    submit(ledger, "123", "b")
    submit(ledger, "XYZW", "c")
    assert order(connection) == "a1Xb2YZ"


def test_what_stands_aside_is_told_no_place(ledger: Ledger, jobs: JobStore, connection: redis.Redis) -> None:
    limited(connection, "a", 1)
    submit(ledger, "ab")
    told = feed.read(connection, "a")[-1].job
    assert (told.job_id, told.position, told.eta) == ("b", None, None)
    jobs.cancel("b", "a")
    assert connection.exists(keys.aside("a")) == 0
