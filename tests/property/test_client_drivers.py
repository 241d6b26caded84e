"""The same history makes all drivers do the same: the blocking, the asynchronous, and one on a virtual clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drivers import awaited, blocking, virtually
from hypothesis import given
from hypothesis import strategies as st

from client import driver
from client.http import Answer
from client.ladder import Road
from client.many import ManyTerms, wait_all
from client.memory import Told
from client.patience import Push
from client.steps import Line, Listen, Pause, Reply, Send, Step, Subscribe, Tell, Warn
from client.switchboard import Signal
from client.waiting import Terms, wait
from client.watch import GRACE_S, REREADS
from contract.errors import AuthenticationError, RateLimitedError, ServiceUnavailableError
from contract.job import Eta, Job
from contract.states import State

if TYPE_CHECKING:
    from drivers import Made

    from client.steps import Plan

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LINES = {Signal.LOST: Line.DOWN, Signal.QUIET: Line.QUIET}


def job(job_id: str, state: State, seq: int) -> Job:
    return Job(
        job_id=job_id,
        client_id="acme",
        state=state,
        seq=seq,
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=BEGAN,
    )


@dataclass
class History:
    """What happens in the world, as the dice say: answers, errors, refusals, pushes, losses and silences."""

    seed: int
    ends_s: dict[str, float]
    trouble_until_s: float
    roads: frozenset[Road]
    refusal_odds: float
    dice: random.Random = field(init=False)
    now_s: float = 0.0
    steps: list[tuple[float, Step | Job]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311

    @property
    def job_ids(self) -> list[str]:
        return list(self.ends_s)

    def again(self) -> History:
        return History(self.seed, self.ends_s, self.trouble_until_s, self.roads, self.refusal_odds)

    def truth(self, job_id: str, at_s: float) -> Job:
        if at_s >= self.ends_s[job_id]:
            return job(job_id, State.COMPLETED if len(job_id) % 2 else State.ERROR, 1000)
        return job(job_id, State.RUNNING, 1 + int(at_s) % 900)

    def told(self, *job_ids: str) -> tuple[Told, ...]:
        """What a submit may have been told, a while ago."""
        if self.seed % 3 == 0:
            return ()
        age_s, p50_s = self.dice.choice([0.0, 1.0, 500.0]), self.dice.choice([0.0, 10.0, 1000.0])
        eta = Eta(p10_s=p50_s / 2, p50_s=p50_s, p90_s=p50_s * 2) if self.seed % 3 == 1 else None
        return tuple(Told(replace(job(each, State.QUEUED, 0), eta=eta), -age_s) for each in job_ids)

    def is_bad(self) -> bool:
        return self.now_s < self.trouble_until_s and self.dice.random() < 0.5

    def send(self, step: Send[Any]) -> Answer[Any]:
        self.steps.append((self.now_s, step))
        pause_s, answer_s = self.dice.choice([0.0, 0.0, 2.0, 70.0]), self.now_s
        self.now_s += self.dice.choice([0.0, min(0.01, step.within_s), step.within_s])
        if self.is_bad():
            trouble = self.dice.choice([ServiceUnavailableError("away"), RateLimitedError("slow down")])
            return Answer(error=trouble, is_passing=True, retry_after_s=pause_s)
        if self.dice.random() < self.refusal_odds:
            return Answer(error=AuthenticationError("no"), retry_after_s=pause_s)
        ids = step.request.params.get("ids")
        if ids is None:
            name = step.request.path.split("/")[2]
            was_held = "Prefer" in step.request.headers and Road.LONG_POLL in self.roads
            if was_held:
                self.now_s = answer_s = max(self.now_s, answer_s + self.dice.choice([0.0, 1.0, step.within_s]))
            return Answer(value=self.truth(name, answer_s), retry_after_s=pause_s, hold_s=55.0 if was_held else 0.0)
        return Answer(value=tuple(self.truth(each, answer_s) for each in ids.split(",")), retry_after_s=pause_s)

    def subscribe(self, road: Road, within_s: float) -> Line:
        self.steps.append((self.now_s, Subscribe(road, within_s)))
        if road not in self.roads:
            return Line.NONE
        self.now_s += self.dice.choice([0.0, within_s])
        return Line.DOWN if self.is_bad() else Line.UP

    def listen(self, seconds: float) -> Job | Signal | None:
        self.steps.append((self.now_s, Listen(seconds)))
        luck = self.dice.random()
        if luck < 0.3:  # silence, or a message that was lost
            self.now_s += seconds
            return None
        self.now_s += min(seconds, self.dice.choice([0.001, 1.0, 20.0]))
        if luck < 0.5:
            return Signal.LOST if luck < 0.4 else Signal.QUIET
        of_s = max(0.0, self.now_s - self.dice.choice([0.0, 5.0, 60.0]))  # late, or doubled
        return self.truth(self.dice.choice(sorted(self.ends_s)), of_s)

    def pause(self, seconds: float) -> None:
        self.steps.append((self.now_s, Pause(seconds)))
        self.now_s += seconds

    def tell(self, news: Job) -> None:
        self.steps.append((self.now_s, news))

    # A driver on a virtual clock.

    def __call__(self, step: Step) -> Reply:
        answer: Answer[Any] = Answer()
        line: Line | None = None
        match step:
            case Send():
                answer = self.send(step)
            case Subscribe(road, within_s):
                line = self.subscribe(road, within_s)
                answer = Answer(is_away=line is Line.DOWN)
            case Listen(seconds):
                news = self.listen(seconds)
                line = LINES.get(news, Line.UP) if isinstance(news, Signal) else Line.UP
                answer = Answer(value=news if isinstance(news, Job) else None)
            case Pause(seconds):
                self.pause(seconds)
            case Tell() | Warn():
                pass
        return Reply(at_s=self.now_s, answer=answer, line=line)


def make_wait(push: Push, timeout_s: float, on_timeout: Any) -> Made:
    def make(history: History) -> Plan[Any]:
        terms = Terms(
            job_id="a",
            push=push,
            timeout_s=timeout_s,
            on_timeout=on_timeout,
            wants_progress=history.seed % 2 == 0,
            told=history.told("a"),
        )
        return wait(terms, 0.0, history.dice.random)

    return make


def make_wait_all(push: Push, timeout_s: float, on_timeout: Any) -> Made:
    def make(history: History) -> Plan[Any]:
        terms = ManyTerms(
            job_ids=tuple(history.ends_s),
            push=push,
            timeout_s=timeout_s,
            on_timeout=on_timeout,
            told=history.told(*history.ends_s),
        )
        return wait_all(terms, 0.0, history.dice.random)

    return make


def histories(refusal_odds: float = 0.02) -> st.SearchStrategy[History]:
    return st.builds(
        History,
        seed=st.integers(),
        ends_s=st.fixed_dictionaries({name: st.floats(0, 2000) for name in ("a", "bb", "ccc", "dddd")}),
        trouble_until_s=st.floats(0, 2500),
        roads=st.frozensets(st.sampled_from(Road)),
        refusal_odds=st.just(refusal_odds),
    )


pushes = st.sampled_from([Push.NEVER, Push.IF_OFFERED])
plans = st.builds(
    lambda make, *terms: make(*terms),
    st.sampled_from([make_wait, make_wait_all]),
    pushes,
    st.floats(0, 3000),
    st.sampled_from(["raise", "cancel", "return"]),
)


@given(history=histories(), make=plans)
def test_all_drivers_take_the_same_steps_through_the_same_history(history: History, make: Made) -> None:
    worlds = [history.again() for _ in range(3)]
    ends = [drive(world, make) for drive, world in zip((virtually, blocking, awaited), worlds, strict=True)]
    assert ends[0] == ends[1] == ends[2]
    assert len({str(world.now_s) for world in worlds}) == 1
    assert worlds[0].steps == worlds[1].steps == worlds[2].steps


@given(history=histories(refusal_odds=0.0), push=pushes)
def test_all_ends_are_found_and_news_of_a_job_only_goes_forward(history: History, push: Push) -> None:
    world = history.again()
    terms = ManyTerms(
        job_ids=tuple(history.ends_s),
        push=push,
        timeout_s=100_000,
        raise_on_failure=False,
        told=world.told(*history.ends_s),
    )
    ended = driver.finish(driver.drive(wait_all(terms, 0.0, world.dice.random), world), world.tell)
    assert list(ended) == list(history.ends_s)
    for name in history.ends_s:
        seqs = [step.seq for _, step in world.steps if isinstance(step, Job) and step.job_id == name]
        assert seqs == sorted(set(seqs))
        assert seqs[-1] == ended[name].seq == 1000


@given(
    history=histories(refusal_odds=0.0),
    push=pushes,
    timeout_s=st.floats(0, 2000),
)
def test_no_wait_for_many_outlasts_its_deadline_nor_asks_in_a_hot_loop(
    history: History, push: Push, timeout_s: float
) -> None:
    world = history.again()
    virtually(world, make_wait_all(push, timeout_s, "raise"))
    assert world.now_s <= timeout_s + GRACE_S + 1e-6
    sent = sum(isinstance(step, Send) for _, step in world.steps)
    tried = sum(isinstance(step, (Subscribe, Listen)) for _, step in world.steps)
    assert sent <= 2 + world.now_s / 0.5 + tried
    for _, step in world.steps:
        if isinstance(step, (Pause, Listen)):
            assert 0 < step.seconds <= max(REREADS.cap_s, 70.0)
