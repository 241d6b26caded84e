"""The order of the queue: RQ's list is its beginning whatever happens, and nobody waits for long because of others."""

from collections import Counter

import fakeredis
import redis
from given import OUTPUT, Clock, a_job
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contract.errors import IllegalTransitionError
from contract.job import Failure, Priority
from contract.limits import Limit
from contract.states import State
from store import keys
from store.jobs import JobStore
from store.keys import ref
from store.ledger import Ledger, New
from store.records import fetch
from store.runs import Run, RunStore
from store.settings import StoreSettings
from store.sweep import Sweep
from store.turns import COST

LIST = "rq:queue:default"
CLIENTS = st.sampled_from(["a", "b", "c"])
PRIORITIES = st.sampled_from(Priority)
WINDOW = 3


def words(members: object) -> list[str]:
    assert isinstance(members, list)
    return [member.decode() for member in members]


class Queue(RuleBasedStateMachine):
    """Clients that submit and cancel, workers that pop, start, end and die, and the sweep."""

    @initialize()
    def begin(self) -> None:
        self.redis, self.clock = fakeredis.FakeRedis(version=(7,)), Clock()
        ledger = Ledger(self.redis, StoreSettings(window=WINDOW), self.clock)
        self.redis.hset(keys.limits("c"), Limit.RUNNING, 2)
        self.ledger, self.jobs, self.runs, self.sweep = ledger, JobStore(ledger), RunStore(ledger), Sweep(ledger)
        self.made: list[tuple[str, str]] = []
        self.popped: list[str] = []
        self.running: list[Run] = []

    @rule(client_id=CLIENTS, priority=PRIORITIES, count=st.integers(1, 4))
    def submit(self, client_id: str, priority: Priority, count: int) -> None:
        for _ in range(count):
            job_id = f"j{sum(whose == client_id for _, whose in self.made)}"  # which others have as well
            self.made.append((job_id, client_id))
            self.ledger.create(a_job(job_id, client_id=client_id, priority=priority), fingerprint="f", simulate=None)

    @rule(count=st.integers(1, 4))
    def pop(self, count: int) -> None:
        self.popped += words(self.redis.lpop(LIST, count) or [])

    @rule(which=st.integers(0, 9))
    def start(self, which: int) -> None:
        if self.popped:
            run = self.runs.start(self.popped.pop(which % len(self.popped)))
            if run is not None:
                self.running.append(run)

    @rule(which=st.integers(0, 9), end=st.sampled_from(["complete", "pass", "pause"]))
    def end(self, which: int, end: str) -> None:
        if not self.running:
            return
        run = self.running.pop(which % len(self.running))
        if end == "complete":
            run.complete(OUTPUT)
        else:
            run.fail(Failure(code="x", message="", retryable=True), pause_s=2 * (end == "pause"))

    @rule(which=st.integers(0, 99), act=st.sampled_from(["cancel", "reset"]))
    def ask(self, which: int, act: str) -> None:
        if self.made:
            job_id, client_id = self.made[which % len(self.made)]
            try:
                getattr(self.jobs, act)(job_id, client_id)
            except IllegalTransitionError:
                return
            self.popped = [each for each in self.popped if each != ref(client_id, job_id)]

    @rule(which=st.integers(0, 99))
    def start_out_of_turn(self, which: int) -> None:
        """Let a worker come that was given the job long ago."""
        if self.made:
            job_id, client_id = self.made[which % len(self.made)]
            run = self.runs.start(ref(client_id, job_id))
            if run is not None:
                self.running.append(run)
                self.popped = [each for each in self.popped if each != run.record.ref]

    @rule()
    def die(self) -> None:
        """Let the workers forget what they have popped, until the sweep has found all of it."""
        self.popped.clear()
        for _ in range(2):
            self.sweep.strays(self.clock())
            self.clock.pass_s(5)

    @rule()
    def sweep_retries(self) -> None:
        self.clock.pass_s(2)
        self.sweep.due(self.clock())

    @invariant()
    def rqs_list_is_the_beginning_of_the_queue(self) -> None:
        if not hasattr(self, "redis"):
            return
        queue, listed = words(self.redis.zrange(keys.QUEUED, 0, -1)), words(self.redis.lrange(LIST, 0, -1))
        held = [each for each in queue if each in self.popped]
        assert queue[: len(held) + len(listed)] == [*queue[: len(held)], *listed]
        assert set(queue[: len(held)]) == set(held)
        assert int(self.redis.hget(keys.TURNS, "admitted") or 0) == len(held) + len(listed)

    @invariant()
    def the_queue_has_all_that_are_queued_and_each_has_a_place_of_its_own(self) -> None:
        if not hasattr(self, "redis"):
            return
        records = [
            record for record in fetch(self.redis, [ref(whose, job_id) for job_id, whose in self.made]) if record
        ]
        aside = set(words(self.redis.zrange(keys.aside("c"), 0, -1)))
        out = aside | set(words(self.redis.zrange(keys.DUE, 0, -1)))
        waiting = [each for each in records if each.job.state is State.QUEUED and each.ref not in out]
        positions = [each.job.position for each in waiting if each.job.position is not None]
        assert sorted(positions) == list(range(len(waiting)))
        flows = [key for client_id in "abc" for key in (keys.flow(client_id, each) for each in Priority)]
        assert sorted(words(self.redis.zunion(flows))) == sorted([*aside, *(each.ref for each in waiting)])

    @invariant()
    def a_limit_is_kept_and_used(self) -> None:
        if not hasattr(self, "redis"):
            return
        own = sum(self.redis.zcard(keys.listing("c", state)) for state in (State.QUEUED, State.RUNNING))
        aside = self.redis.zcard(keys.aside("c"))
        assert own - aside == min(own, 2)

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self.redis.flushall()


Queue.TestCase.settings = settings(max_examples=15, stateful_step_count=30)
TestQueue = Queue.TestCase


FLOWS = st.lists(st.tuples(CLIENTS, PRIORITIES), min_size=1, max_size=6)


@settings(max_examples=15)
@given(before=FLOWS, sizes=st.integers(1, 4), later=st.lists(FLOWS, min_size=1, max_size=3), mine=PRIORITIES)
def test_a_job_waits_for_no_more_turns_of_any_flow_than_its_priority_says(
    before: list[tuple[str, Priority]], sizes: int, later: list[list[tuple[str, Priority]]], mine: Priority
) -> None:
    """Others have as many jobs before it as they like, and more come with every start: none of it delays it further."""
    connection = fakeredis.FakeRedis(version=(7,))
    ledger = Ledger(connection, StoreSettings(window=2))
    runs, made, whose = RunStore(ledger), 0, {}

    def submit(flows: list[tuple[str, Priority]]) -> None:
        nonlocal made
        for client_id, priority in flows:
            whose[ref(client_id, f"j{made}")] = (client_id, priority)
            job = a_job(f"j{made}", client_id=client_id, priority=priority)
            ledger.create(job, fingerprint="f", simulate=None)
            made += 1

    submit(before * sizes)
    for _ in range(len(before)):
        assert runs.start(pop(connection))
    ledger.create(a_job("mine", client_id="me", priority=mine), fingerprint="f", simulate=None)
    served: Counter[tuple[str, Priority]] = Counter()
    while (popped := pop(connection)) != ref("me", "mine"):
        assert runs.start(popped)
        served[whose[popped]] += 1
        submit(later[made % len(later)])
    for (_, priority), count in served.items():
        assert count <= COST[mine] / COST[priority] + 1


def pop(connection: redis.Redis) -> str:
    (popped,) = words(connection.lpop(LIST, 1))
    return popped


@settings(max_examples=15)
@given(jobs=st.lists(st.tuples(CLIENTS, PRIORITIES), min_size=1, max_size=30))
def test_within_a_flow_the_first_come_is_the_first_served(jobs: list[tuple[str, Priority]]) -> None:
    connection = fakeredis.FakeRedis(version=(7,))
    ledger = Ledger(connection, StoreSettings())
    ids = [f"{100 + at}" for at in range(len(jobs))]
    ledger.create_many(
        New(a_job(job_id, client_id=client_id, priority=priority), "f")
        for job_id, (client_id, priority) in zip(ids, jobs, strict=True)
    )
    order = words(connection.zrange(keys.QUEUED, 0, -1))
    for flow in set(jobs):
        own = [ref(each[0], job_id) for job_id, each in zip(ids, jobs, strict=True) if each == flow]
        assert [each for each in order if each in own] == own
