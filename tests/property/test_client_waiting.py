"""Whatever happens, a wait keeps its bounds and finds the end."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client.driver import drive, finish
from client.http import Answer
from client.ladder import Road
from client.memory import Told
from client.patience import NoPushError, Push
from client.steps import Line, Listen, Pause, Reply, Send, Step, Subscribe, Tell, Warn
from client.waiting import Terms, wait
from client.watch import GRACE_S, MOST_LEAD_S, REREADS
from contract.errors import RateLimitedError, ServiceUnavailableError, WaitTimeoutError
from contract.job import Eta, Job
from contract.states import State

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TROUBLES = (ServiceUnavailableError("away"), RateLimitedError("slow down"))


def job(state: State, seq: int) -> Job:
    return Job(
        job_id="j1",
        client_id="default",
        state=state,
        seq=seq,
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=BEGAN,
    )


@dataclass
class Chaos:
    """A job that ends at `ends_s`, seen through a service and lines that fail as the dice say.

    Requests and subscriptions take time, messages are lost, doubled and late, `Retry-After` is anything.
    """

    dice: random.Random
    ends_s: float
    trouble_until_s: float
    roads: frozenset[Road]
    now_s: float = 0.0
    doubts: int = 0  # whether a line is still there
    steps: list[tuple[float, Step]] = field(default_factory=list)

    def truth(self, at_s: float) -> Job:
        return job(State.COMPLETED, 1000) if at_s >= self.ends_s else job(State.RUNNING, 1 + int(at_s) % 900)

    def is_bad(self) -> bool:
        return self.now_s < self.trouble_until_s and self.dice.random() < 0.5

    def __call__(self, step: Step) -> Reply:
        self.steps.append((self.now_s, step))
        match step:
            case Send():
                return self._answer(step)
            case Subscribe(road, within_s):
                if road not in self.roads:
                    error = NoPushError("none")
                    return Reply(at_s=self.now_s, line=Line.NONE, answer=Answer(error=error, is_passing=True))
                self.now_s += self.dice.choice([0.0, within_s])
                if not self.is_bad():
                    return Reply(at_s=self.now_s, line=Line.UP)
                refusal: Answer[Any] = Answer(
                    is_away=self.dice.random() < 0.5, retry_after_s=self.dice.choice([0.0, 3.0])
                )
                return Reply(at_s=self.now_s, line=Line.DOWN, answer=refusal)
            case Listen(seconds):
                return self._listen(seconds)
            case Pause(seconds):
                self.now_s += seconds
            case Tell() | Warn():
                pass
        return Reply(at_s=self.now_s)

    def _answer(self, step: Send[Any]) -> Reply:
        pause_s, seen_s = self.dice.choice([0.0, 0.0, 2.0, 70.0]), self.now_s
        self.now_s += self.dice.choice([0.0, min(0.01, step.within_s), step.within_s])
        if self.is_bad() and self.dice.random() < 0.5:
            self.now_s = seen_s + min(step.quiet_s, step.within_s)
            error = ServiceUnavailableError("silent")
            return Reply(at_s=self.now_s, answer=Answer(error=error, is_passing=True, is_away=True, is_silent=True))
        if self.is_bad():
            trouble: Answer[Any] = Answer(error=self.dice.choice(TROUBLES), is_passing=True, retry_after_s=pause_s)
            return Reply(at_s=self.now_s, answer=trouble)
        hold_s = held_s(step) if Road.LONG_POLL in self.roads else 0
        if hold_s:  # held as long as it should be, or cut short, which may well be at once
            self.now_s = seen_s = max(self.now_s, min(seen_s + hold_s * self.dice.choice([0, 0.01, 1]), self.ends_s))
        job = self.truth(seen_s)
        return Reply(at_s=self.now_s, answer=Answer(value=job, retry_after_s=pause_s, hold_s=float(hold_s)))

    def _listen(self, seconds: float) -> Reply:
        luck = self.dice.random()
        if luck < 0.3:  # silence, or a message that was lost
            self.now_s += seconds
            self.doubts += luck >= 0.2
            return Reply(at_s=self.now_s, line=Line.UP if luck < 0.2 else Line.QUIET)
        self.now_s += min(seconds, self.dice.choice([0.001, 1.0, 20.0]))
        if luck < 0.5:
            return Reply(at_s=self.now_s, line=Line.DOWN)
        of_s = max(0.0, self.now_s - self.dice.choice([0.0, 5.0, 60.0]))  # late, or doubled
        return Reply(at_s=self.now_s, line=Line.UP, answer=Answer(value=self.truth(of_s)))


def held_s(step: Step) -> int:
    """Return for how many seconds a request wants to be held."""
    wish = step.request.headers.get("Prefer", "") if isinstance(step, Send) else ""
    return int(wish.partition("=")[2].partition(";")[0] or 0)


def submitted(eta: Eta | None) -> tuple[Told, ...]:
    """What a submit was told a second ago."""
    return (Told(replace(job(State.QUEUED, 0), eta=eta), -1.0),)


chaoses = st.builds(
    Chaos,
    dice=st.integers().map(random.Random),
    ends_s=st.floats(0, 2000),
    trouble_until_s=st.floats(0, 2500),
    roads=st.frozensets(st.sampled_from(Road)),
)
pushes = st.sampled_from([Push.NEVER, Push.IF_OFFERED])


def run(chaos: Chaos, push: Push, timeout_s: float) -> tuple[Job | None, list[Job]]:
    told: list[Job] = []
    wants_progress = chaos.dice.random() < 0.5
    known = chaos.dice.choice([(), submitted(None), submitted(Eta(p10_s=5, p50_s=chaos.ends_s + 5, p90_s=5000))])
    terms = Terms(job_id="j1", push=push, timeout_s=timeout_s, wants_progress=wants_progress, told=known)
    plan = wait(terms, 0.0, chaos.dice.random)
    try:
        return finish(drive(plan, chaos), told.append), told
    except WaitTimeoutError:
        return None, told


@given(chaos=chaoses, push=pushes)
def test_the_end_is_always_found_and_news_only_goes_forward(chaos: Chaos, push: Push) -> None:
    end, told = run(chaos, push, timeout_s=100_000)
    assert end is not None
    assert end.state is State.COMPLETED
    assert told[-1] == end
    assert all(old.seq < new.seq for old, new in itertools.pairwise(told))


@given(chaos=chaoses, push=pushes, timeout_s=st.floats(0, 400))
def test_no_wait_outlasts_its_deadline_by_more_than_the_last_look(chaos: Chaos, push: Push, timeout_s: float) -> None:
    end, _ = run(chaos, push, timeout_s)
    assert chaos.now_s <= timeout_s + GRACE_S + 1e-6
    if end is None:
        last_s, last = [(at_s, step) for at_s, step in chaos.steps if isinstance(step, Send)][-1]
        assert last_s >= timeout_s - MOST_LEAD_S
        assert chaos.now_s >= timeout_s - 1e-6
        assert last.insist


@given(chaos=chaoses, push=pushes, timeout_s=st.floats(0, 2000))
def test_no_rest_is_endless_and_none_is_nothing(chaos: Chaos, push: Push, timeout_s: float) -> None:
    run(chaos, push, timeout_s)
    for at_s, step in chaos.steps:
        if isinstance(step, (Pause, Listen)):
            assert 0 < step.seconds <= max(REREADS.cap_s, 70.0)
            assert at_s + step.seconds <= timeout_s + 1e-6


@given(chaos=chaoses, push=pushes, timeout_s=st.floats(0, 2000))
def test_no_wait_asks_in_a_hot_loop(chaos: Chaos, push: Push, timeout_s: float) -> None:
    run(chaos, push, timeout_s)
    # half a second is the shortest pause there is, save when a line has just come up or is in doubt, at the deadline,
    # after an answer that was held as long as it should be or had news, and before the first after trouble that shall
    ups = chaos.doubts + sum(isinstance(step, Subscribe) for _, step in chaos.steps)
    held = sum(held_s(step) > 0 for _, step in chaos.steps)
    told = sum(isinstance(step, Tell) for _, step in chaos.steps)
    asked = sum(isinstance(step, Send) for _, step in chaos.steps)
    assert asked - held <= 2 + chaos.now_s / 0.5 + ups
    assert held <= 2 + chaos.now_s / 0.5 + told + ups
    for road in Road:
        attempts = [at_s for at_s, step in chaos.steps if isinstance(step, Subscribe) and step.road is road]
        assert all(after - before >= 0.25 - 1e-6 for before, after in itertools.pairwise(attempts))
        assert len(attempts) <= 2 + chaos.now_s / 0.5


@given(chaos=chaoses, push=pushes)
def test_no_poll_comes_sooner_than_asked_save_when_a_line_may_have_missed_something(chaos: Chaos, push: Push) -> None:
    floor_s, refused = 0.0, False

    def perform(step: Step) -> Reply:
        nonlocal floor_s, refused
        before_s, reply = chaos.now_s, chaos(step)
        if (isinstance(step, Subscribe) and reply.line is Line.UP) or reply.line is Line.QUIET:
            floor_s = reply.at_s  # what may have been missed has to be seen
        if isinstance(step, Send):
            assert before_s >= floor_s - 1e-6 or (held_s(step) and not refused)
            refused = reply.answer.error is not None
            floor_s = reply.at_s + (0.0 if reply.answer.was_held else reply.answer.retry_after_s)
        return reply

    finish(drive(wait(Terms(job_id="j1", push=push, timeout_s=100_000), 0.0, chaos.dice.random), perform), None)
