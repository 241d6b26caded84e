from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from client import http
from client.driver import drive, finish
from client.http import Answer
from client.ladder import Road
from client.many import ManyTerms, ManyTimeoutError, wait_all
from client.patience import Push
from client.steps import Line, Listen, Pause, Reply, Send, Step, Subscribe, Tell, Warn
from client.watch import CANCEL_S, GRACE_S
from contract.errors import (
    AuthenticationError,
    DubqError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from contract.job import Eta, Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RUNNING, COMPLETED, FAILED, CANCELLED = State.RUNNING, State.COMPLETED, State.ERROR, State.CANCELLED


def job(job_id: str, state: State, seq: int | None = None, *, changed_s: float = 0.0) -> Job:
    return Job(
        job_id=job_id,
        client_id="acme",
        state=state,
        seq=seq or (3 if state.is_final else 2),
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=BEGAN + timedelta(seconds=changed_s),
    )


@dataclass
class World:
    """Jobs, a Redis, and a clock that moves only when somebody waits. `pushes` are (time, news); None: the line goes.

    `ends` are when a look finds a job completed; `away` is from when to when nobody answers.
    """

    job_ids: list[str]
    ends: dict[str, float] = field(default_factory=dict)
    pushes: deque[tuple[float, Job | None]] = field(default_factory=deque)
    away: tuple[float, float] = (0.0, 0.0)
    has_redis: bool = True
    took_s: float = 0.0
    refusal: DubqError | None = None
    last_seq: int = 3  # of those that have ended
    quiet_s: float = 1e9  # when the line should have said something
    now_s: float = 0.0
    changed_s: float = 0.0  # when those that are looked at after a second were changed
    sent: list[tuple[float, str]] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    subscribed: list[float] = field(default_factory=list)

    def __call__(self, step: Step) -> Reply:
        match step:
            case Send():
                return self._answer(step)
            case Subscribe(road):
                self.subscribed.append(self.now_s)
                return Reply(at_s=self.now_s, line=Line.UP if self.has_redis and road is Road.REDIS else Line.NONE)
            case Listen(seconds):
                return self._listen(seconds)
            case Pause(seconds):
                self.now_s += seconds
            case Tell() | Warn():
                pass
        return Reply(at_s=self.now_s)

    def _answer(self, step: Send[Any]) -> Reply:
        request = step.request
        self.sent.append((self.now_s, request.params["ids"] if request.params else request.path))
        self.limits.append(step.within_s)
        self.now_s += min(self.took_s, step.within_s)
        if self.refusal:
            return Reply(at_s=self.now_s, answer=Answer(error=self.refusal))
        if self.away[0] <= self.now_s < self.away[1]:
            return Reply(at_s=self.now_s, answer=Answer(error=ServiceUnavailableError("away"), is_passing=True))
        if request.path.endswith("/cancel"):
            return Reply(at_s=self.now_s, answer=Answer(value=job(request.path.split("/")[2], CANCELLED)))
        if not request.params:
            return Reply(at_s=self.now_s, answer=Answer(value=self._shown(request.path.rpartition("/")[2])))
        asked = [each for each in request.params["ids"].split(",") if each in self.job_ids]
        return Reply(at_s=self.now_s, answer=Answer(value=tuple(self._shown(each) for each in asked)))

    def _shown(self, job_id: str) -> Job:
        state = COMPLETED if self.now_s >= self.ends.get(job_id, 1e9) else RUNNING
        return job(
            job_id,
            state,
            self.last_seq if state.is_final else None,
            changed_s=self.changed_s if self.now_s > 1 else 0.0,
        )

    def _listen(self, seconds: float) -> Reply:
        if self.quiet_s <= self.now_s + seconds and not (self.pushes and self.pushes[0][0] < self.quiet_s):
            self.now_s, self.quiet_s = self.quiet_s, 1e9
            return Reply(at_s=self.now_s, line=Line.QUIET)
        if not self.pushes or self.pushes[0][0] > self.now_s + seconds:
            self.now_s += seconds
            return Reply(at_s=self.now_s, line=Line.UP)
        at_s, news = self.pushes.popleft()
        self.now_s = max(self.now_s, at_s)
        return Reply(at_s=self.now_s, line=Line.UP if news else Line.DOWN, answer=Answer(value=news))

    def wait(
        self,
        *job_ids: str,
        push: Push = Push.IF_OFFERED,
        told: list[Job] | None = None,
        on_stall: Callable[[Job], object] | None = None,
        **terms: Any,
    ) -> Any:
        terms = {"raise_on_failure": False, "wants_warning": on_stall is not None} | terms
        asked = ManyTerms(job_ids=job_ids or tuple(self.job_ids), push=push, **terms)
        plan = wait_all(asked, self.now_s, lambda: 0.5)
        return finish(drive(plan, self), None if told is None else told.append, on_stall)


def pushed(*ends: tuple[float, Job | None]) -> deque[tuple[float, Job | None]]:
    return deque(ends)


def test_a_thousand_jobs_cost_one_subscription_and_a_look_of_ten_requests() -> None:
    ids = [f"0192f0c1-2345-7000-8000-{number:012d}" for number in range(1000)]
    world = World(ids, pushes=deque((5 + n / 100, job(job_id, COMPLETED)) for n, job_id in enumerate(ids)))
    ended = world.wait()
    assert list(ended) == ids
    assert (len(world.sent), len(world.subscribed)) == (10, 1)
    assert all(len(asked) <= http.MOST_IDS_CHARS for _, asked in world.sent)


def test_jobs_come_in_the_order_asked_though_they_end_in_another() -> None:
    told: list[Job] = []
    world = World(["a", "b"], pushes=pushed((1, job("b", COMPLETED)), (2, job("a", FAILED))))
    assert list(world.wait("a", "b", told=told)) == ["a", "b"]
    assert [each.job_id for each in told if each.done] == ["b", "a"]


def test_messages_about_others_do_not_put_off_the_look_at_a_silent_job() -> None:
    chatter = [(float(second), job("a", RUNNING, 2 + second)) for second in range(1, 200)]
    world = World(["a", "b"], ends={"b": 10}, pushes=deque([*chatter, (200.0, job("a", COMPLETED, 999))]))
    world.wait()
    assert world.sent == [(0.0, "a,b"), (30.0, "b")]


def test_only_those_that_go_on_are_polled_for() -> None:
    world = World(["a", "b"], ends={"a": 0, "b": 2}, has_redis=False)
    world.wait()
    assert [asked for _, asked in world.sent] == ["a,b", "b", "b", "b"][: len(world.sent)]
    assert world.subscribed == [0.0, 0.0]


def test_a_line_that_comes_back_has_everything_read_anew() -> None:
    world = World(["a", "b"], pushes=pushed((1, job("a", RUNNING, 3)), (2, None), (9, job("a", COMPLETED, 9))))
    world.ends["b"] = 2.2
    world.wait()
    assert [asked for _, asked in world.sent] == ["a,b", "a,b"]
    assert len(world.subscribed) == 2


def test_a_line_in_doubt_has_everything_read_anew_also_what_was_just_heard_of() -> None:
    news = pushed((1, job("a", RUNNING, 3)))
    world = World(["a", "b"], pushes=news, ends={"a": 2, "b": 2}, quiet_s=3.0, last_seq=4)
    world.wait()
    assert world.sent == [(0.0, "a,b"), (3.0, "a,b")]
    assert len(world.subscribed) == 1


def test_after_trouble_only_what_the_look_still_lacks_is_read() -> None:
    ids = [f"{number:064d}" for number in range(100)]  # two requests
    world = World(ids, ends=dict.fromkeys(ids, 0.0), away=(0.5, 3), took_s=0.5)
    world.wait()
    first, second = (chunk for chunk in (",".join(each) for each in http.chunks(ids)))
    assert world.sent[0][1] == first
    assert {asked for _, asked in world.sent} == {first, second}


def test_trouble_never_ends_the_wait_and_others_are_heard_meanwhile() -> None:
    world = World(["a", "b"], away=(0, 100), pushes=pushed((5, job("a", COMPLETED))), ends={"b": 50})
    assert [each.done for each in world.wait().values()] == [True, True]


def test_a_job_that_does_not_exist_ends_the_wait_at_once() -> None:
    with pytest.raises(JobNotFoundError, match="there is no such job: lost") as raised:
        World(["a"]).wait("a", "lost")
    assert raised.value.job_id == "lost"


def test_a_refusal_ends_the_wait_at_once() -> None:
    world = World(["a", "b"], refusal=AuthenticationError())
    with pytest.raises(AuthenticationError):
        world.wait()
    assert len(world.sent) == 1


def test_the_first_failure_in_the_order_asked_raises_once_all_have_ended_if_asked_for() -> None:
    pushes = pushed((1, job("c", FAILED)), (2, job("b", CANCELLED)), (3, job("a", COMPLETED)))
    world = World(["a", "b", "c"], pushes=pushes)
    with pytest.raises(JobCancelledError, match="b was cancelled"):
        world.wait(raise_on_failure=True)
    assert world.now_s == 3
    with pytest.raises(JobFailedError):
        World(["c"], pushes=pushed((1, job("c", FAILED)))).wait(raise_on_failure=True)


def test_an_end_is_an_end_though_the_job_begins_again() -> None:
    pushes = pushed((1, job("a", FAILED, 3)), (2, job("a", RUNNING, 5)), (3, job("b", COMPLETED)))
    assert World(["a", "b"], pushes=pushes).wait()["a"].state is FAILED


def test_a_job_that_began_another_life_is_believed_when_it_is_looked_at() -> None:
    told: list[Job] = []
    world = World(["a", "b"], pushes=pushed((1, job("a", RUNNING, 9)), (2, None)), ends={"a": 30, "b": 30})
    world.changed_s = 60
    assert [each.state for each in world.wait(told=told).values()] == [COMPLETED, COMPLETED]
    assert [each.seq for each in told if each.job_id == "a"] == [2, 9, 2, 3]


def test_messages_and_looks_that_are_merely_late_are_not_believed() -> None:
    told: list[Job] = []
    late = job("a", RUNNING, 4, changed_s=60)
    world = World(["a"], pushes=pushed((1, job("a", RUNNING, 9)), (2, late), (100, job("a", COMPLETED, 10))))
    world.wait(told=told)
    assert [each.seq for each in told] == [2, 9, 10]
    assert len(world.sent) > 1


def test_each_job_that_is_silent_for_longer_than_promised_is_told_once_in_each_silence() -> None:
    soon, later = (replace(job("a", RUNNING, 3), eta=Eta(p10_s=0.0, p50_s=0.0, p90_s=p90_s)) for p90_s in (2.0, 4.0))
    pushes = pushed(
        (1, soon),
        (2, replace(later, job_id="b")),
        (3, job("c", RUNNING, 3)),  # of which nothing is promised
        (20, replace(soon, seq=4)),
        (50, job("a", COMPLETED, 5)),
        (51, job("b", COMPLETED, 5)),
        (52, job("c", COMPLETED, 5)),
    )
    world, told = World(["a", "b", "c"], pushes=pushes), list[tuple[float, str]]()
    world.wait(on_stall=lambda silent: told.append((world.now_s, silent.job_id)))
    assert told == [(1 + 3 * 2.0, "a"), (2 + 3 * 4.0, "b"), (20 + 3 * 2.0, "a")]


def test_one_job_is_waited_for_as_by_whoever_waits_for_one() -> None:
    world = World(["a"], ends={"a": 30.0}, has_redis=False)
    assert world.wait()["a"].state is COMPLETED
    assert {what for _, what in world.sent} == {"/jobs/a"}
    with pytest.raises(ManyTimeoutError, match=r"a is still running after 10 s; it goes on") as raised:
        World(["a"]).wait(timeout_s=10)
    assert (raised.value.job_id, raised.value.jobs["a"].state) == ("a", RUNNING)


def test_a_timeout_says_which_jobs_go_on_and_has_all_that_is_known() -> None:
    world = World(["a", "b", "c", "d", "e"], pushes=pushed((1, job("a", COMPLETED))))
    with pytest.raises(
        ManyTimeoutError, match=r"4 of 5 jobs are unfinished after 10 s \(b, c, d…\); they go on"
    ) as raised:
        world.wait(timeout_s=10)
    assert (raised.value.job_id, len(raised.value.jobs)) == ("b", 5)
    assert world.sent[-1] == (10.0, "b,c,d,e")
    assert world.now_s == 10


def test_the_last_look_at_many_takes_no_longer_than_that_at_one() -> None:
    ids = [f"{number:064d}" for number in range(1000)]
    world = World(ids, took_s=0.3)
    with pytest.raises(ManyTimeoutError):
        world.wait(timeout_s=2)
    assert world.now_s == pytest.approx(2 + GRACE_S)
    assert all(within_s <= 2 for within_s in world.limits)


def test_a_timeout_may_return_what_is_known() -> None:
    jobs = World(["a", "b"], ends={"a": 1}).wait(timeout_s=5, on_timeout="return")
    assert [each.state for each in jobs.values()] == [COMPLETED, RUNNING]


def test_a_timeout_cannot_return_what_nobody_knows() -> None:
    with pytest.raises(ManyTimeoutError):
        World(["a"], away=(0, 100)).wait(timeout_s=5, on_timeout="return")


def test_a_timeout_may_cancel_those_that_go_on() -> None:
    world = World(["a", "b", "c"], ends={"a": 1})
    with pytest.raises(ManyTimeoutError, match=r"2 of 3 jobs .* asked to stop"):
        world.wait(timeout_s=5, on_timeout="cancel")
    assert [asked for _, asked in world.sent][-2:] == ["/jobs/b/cancel", "/jobs/c/cancel"]


def test_cancelling_ends_when_the_service_cannot_be_reached() -> None:
    world = World(["a", "b", "c"], away=(5, 100))
    with pytest.raises(ManyTimeoutError, match="3 of them could not be cancelled"):
        world.wait(timeout_s=5, on_timeout="cancel")
    assert len([1 for _, asked in world.sent if asked.endswith("/cancel")]) == 1


@pytest.mark.parametrize(("request_timeout_s", "within_s"), [(10.0, CANCEL_S), (0.5, 0.5)])
def test_each_cancel_at_the_deadline_has_but_a_moment(request_timeout_s: float, within_s: float) -> None:
    world = World(["a", "b"])
    with pytest.raises(ManyTimeoutError):
        world.wait(timeout_s=5, on_timeout="cancel", request_timeout_s=request_timeout_s)
    assert world.limits[-2:] == [within_s, within_s]


@pytest.mark.parametrize("terms", [{"timeout_s": -1.0}, {"on_timeout": "shrug"}])
def test_senseless_terms_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        ManyTerms(job_ids=("a",), push=Push.NEVER, **terms)


def test_what_cannot_be_an_id_never_gets_into_an_address_or_a_channel() -> None:
    with pytest.raises(JobNotFoundError):
        ManyTerms(job_ids=("a", "*"), push=Push.NEVER)
