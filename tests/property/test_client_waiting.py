"""Whatever happens, a wait keeps its bounds and finds the end."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client.driver import drive, finish
from client.http import Answer
from client.steps import Line, Listen, Pause, Reply, Send, Step, Subscribe, Tell
from client.waiting import Terms, wait
from client.watch import LAST_LOOK_S, REREADS, NoPushError, Push
from contract.errors import RateLimitedError, ServiceUnavailableError, WaitTimeoutError
from contract.job import Job
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
    """A job that ends at `ends_s`, seen through a service and a line that fail as the dice say.

    Requests and subscriptions take time, messages are lost, doubled and late, `Retry-After` is anything.
    """

    dice: random.Random
    ends_s: float
    trouble_until_s: float
    has_redis: bool
    now_s: float = 0.0
    steps: list[tuple[float, Step]] = field(default_factory=list)

    def truth(self, at_s: float) -> Job:
        return job(State.COMPLETED, 1000) if at_s >= self.ends_s else job(State.RUNNING, 1 + int(at_s) % 900)

    def is_bad(self) -> bool:
        return self.now_s < self.trouble_until_s and self.dice.random() < 0.5

    def __call__(self, step: Step) -> Reply:
        self.steps.append((self.now_s, step))
        match step:
            case Send():
                answer = self._answer()
                self.now_s += self.dice.choice([0.0, min(0.01, step.within_s), step.within_s])
                return Reply(at_s=self.now_s, answer=answer)
            case Subscribe(within_s):
                if not self.has_redis:
                    error = NoPushError("none")
                    return Reply(at_s=self.now_s, line=Line.NONE, answer=Answer(error=error, is_passing=True))
                self.now_s += self.dice.choice([0.0, within_s])
                return Reply(at_s=self.now_s, line=Line.DOWN if self.is_bad() else Line.UP)
            case Listen(seconds):
                return self._listen(seconds)
            case Pause(seconds):
                self.now_s += seconds
            case Tell():
                pass
        return Reply(at_s=self.now_s)

    def _answer(self) -> Answer[Any]:
        pause_s = self.dice.choice([0.0, 0.0, 2.0, 70.0])
        if self.is_bad():
            return Answer(error=self.dice.choice(TROUBLES), is_passing=True, retry_after_s=pause_s)
        return Answer(value=self.truth(self.now_s), retry_after_s=pause_s)

    def _listen(self, seconds: float) -> Reply:
        luck = self.dice.random()
        if luck < 0.3:  # silence, or a message that was lost
            self.now_s += seconds
            return Reply(at_s=self.now_s, line=Line.UP)
        self.now_s += min(seconds, self.dice.choice([0.001, 1.0, 20.0]))
        if luck < 0.5:
            return Reply(at_s=self.now_s, line=Line.DOWN)
        of_s = max(0.0, self.now_s - self.dice.choice([0.0, 5.0, 60.0]))  # late, or doubled
        return Reply(at_s=self.now_s, line=Line.UP, answer=Answer(value=self.truth(of_s)))


chaoses = st.builds(
    Chaos,
    dice=st.integers().map(random.Random),
    ends_s=st.floats(0, 2000),
    trouble_until_s=st.floats(0, 2500),
    has_redis=st.booleans(),
)
pushes = st.sampled_from([Push.NEVER, Push.IF_OFFERED])


def run(chaos: Chaos, push: Push, timeout_s: float) -> tuple[Job | None, list[Job]]:
    told: list[Job] = []
    plan = wait(Terms(job_id="j1", push=push, timeout_s=timeout_s), 0.0, chaos.dice.random)
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
    assert chaos.now_s <= timeout_s + LAST_LOOK_S + 1e-6
    if end is None:
        last_s, last = [(at_s, step) for at_s, step in chaos.steps if isinstance(step, Send)][-1]
        assert last_s >= timeout_s
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
    times = [at_s for at_s, step in chaos.steps if isinstance(step, Send)]
    # half a second is the shortest pause there is; only the look at the deadline may come sooner
    assert all(after - before >= 0.5 - 1e-6 for before, after in itertools.pairwise(times[:-1]))
    attempts = [at_s for at_s, step in chaos.steps if isinstance(step, Subscribe)]
    assert all(after - before >= 0.5 - 1e-6 for before, after in itertools.pairwise(attempts))


@given(chaos=chaoses, push=pushes)
def test_a_request_never_comes_sooner_than_the_service_asked_save_at_the_deadline(chaos: Chaos, push: Push) -> None:
    asked: list[tuple[float, float]] = []

    def perform(step: Step) -> Reply:
        reply = chaos(step)
        if isinstance(step, Send):
            asked.append((chaos.steps[-1][0], reply.at_s + reply.answer.retry_after_s))
        return reply

    finish(drive(wait(Terms(job_id="j1", push=push, timeout_s=100_000), 0.0, chaos.dice.random), perform), None)
    assert all(next_s >= floor_s - 1e-6 for (_, floor_s), (next_s, _) in itertools.pairwise(asked))
