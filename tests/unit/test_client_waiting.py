from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from client import http
from client.driver import drive, finish
from client.http import Answer
from client.steps import Line, Listen, Pause, Reply, Send, Step, Subscribe, Tell
from client.waiting import Terms, insist, wait
from client.watch import CANCEL_S, LAST_LOOK_S, NoPushError, Push
from contract.errors import (
    AuthenticationError,
    DubqError,
    IllegalTransitionError,
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    ServiceUnavailableError,
    WaitTimeoutError,
)
from contract.job import Failure, Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
AWAY: Answer[Any] = Answer(error=ServiceUnavailableError("away"), is_passing=True)
NO_LINE: Answer[Any] = Answer(error=NoPushError("no Redis here"), is_passing=True)


def job(state: State, seq: int, **fields: Any) -> Job:
    return Job(
        job_id=fields.pop("job_id", "j1"),
        client_id="default",
        state=state,
        seq=seq,
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=fields.pop("updated_at", BEGAN),
        **fields,
    )


QUEUED, RUNNING, COMPLETED = job(State.QUEUED, 1), job(State.RUNNING, 2), job(State.COMPLETED, 3)


class World:
    """A service, a Redis and a clock that moves only when somebody waits.

    `answers` are given in turn, the last one for ever. `pushes` are (time, news); news None is the loss of the line.
    `line_at` says how the line is at a time when somebody subscribes.
    """

    def __init__(
        self,
        *answers: Answer[Any] | Job,
        pushes: list[tuple[float, Job | None]] | None = None,
        line_at: Callable[[float], Line] = lambda _: Line.UP,
    ) -> None:
        self.answers = [each if isinstance(each, Answer) else Answer(value=each) for each in answers]
        self.pushes = deque(pushes or [])
        self.line_at = line_at
        self.now_s = 0.0
        self.steps: list[tuple[float, Step]] = []

    def __call__(self, step: Step) -> Reply:
        self.steps.append((self.now_s, step))
        match step:
            case Send():
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                return Reply(at_s=self.now_s, answer=answer)
            case Subscribe():
                line = self.line_at(self.now_s)
                return Reply(at_s=self.now_s, line=line, answer=NO_LINE if line is Line.NONE else Answer())
            case Listen(seconds):
                return self._listen(seconds)
            case Pause(seconds):
                self.now_s += seconds
            case Tell():
                pass
        return Reply(at_s=self.now_s)

    def _listen(self, seconds: float) -> Reply:
        if not self.pushes or self.pushes[0][0] > self.now_s + seconds:
            self.now_s += seconds
            return Reply(at_s=self.now_s, line=Line.UP)
        at_s, news = self.pushes.popleft()
        self.now_s = max(self.now_s, at_s)
        line = Line.DOWN if news is None else Line.UP
        return Reply(at_s=self.now_s, line=line, answer=Answer(value=news))

    def kinds(self) -> list[str]:
        return [type(step).__name__ for _, step in self.steps]

    def times(self, kind: type) -> list[float]:
        return [at_s for at_s, step in self.steps if isinstance(step, kind)]

    def told(self) -> list[int]:
        return [step.job.seq for _, step in self.steps if isinstance(step, Tell)]


def run(world: World, push: Push, *, chance: float = 0.999_999, **terms: Any) -> Job:
    plan = wait(Terms(job_id=terms.pop("job_id", "j1"), push=push, **terms), world.now_s, lambda: chance)
    return finish(drive(plan, world), None)


# Being pushed to.


def test_it_subscribes_before_it_looks_and_a_pushed_end_needs_no_other_request() -> None:
    world = World(QUEUED, pushes=[(1.0, RUNNING), (2.0, COMPLETED)])
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.kinds() == ["Subscribe", "Send", "Tell", "Listen", "Tell", "Listen", "Tell"]
    assert world.now_s == 2.0


def test_a_job_that_ended_before_anyone_listened_is_found_by_the_snapshot() -> None:
    world = World(COMPLETED)
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.kinds() == ["Subscribe", "Send", "Tell"]


def test_news_that_the_snapshot_knew_already_is_dropped() -> None:
    world = World(job(State.RUNNING, 5), pushes=[(0.1, job(State.RUNNING, 4)), (0.2, job(State.COMPLETED, 6))])
    assert run(world, Push.ALWAYS).seq == 6
    assert world.told() == [5, 6]


def test_doubled_and_reordered_news_is_told_once_and_in_order() -> None:
    pushes = [(0.1, RUNNING), (0.2, RUNNING), (0.3, job(State.RUNNING, 4)), (0.4, COMPLETED)]
    world = World(QUEUED, pushes=[*pushes, (0.5, job(State.COMPLETED, 5))])
    assert run(world, Push.ALWAYS).seq == 5
    assert world.told() == [1, 2, 4, 5]


def test_an_old_end_that_comes_after_a_reset_does_not_end_the_wait() -> None:
    again = job(State.QUEUED, 4)
    world = World(RUNNING, pushes=[(1.0, again), (1.1, COMPLETED), (2.0, job(State.COMPLETED, 6))])
    assert run(world, Push.ALWAYS).seq == 6
    assert world.told() == [2, 4, 6]


def test_a_silent_line_is_read_again_ever_more_seldom() -> None:
    world = World(RUNNING, RUNNING, RUNNING, COMPLETED)
    assert run(world, Push.ALWAYS, chance=0.5) == COMPLETED
    assert world.times(Send) == pytest.approx([0, 30, 30 + 45, 30 + 45 + 67.5])


def test_news_puts_off_the_next_look() -> None:
    world = World(QUEUED, COMPLETED, pushes=[(25.0, RUNNING)])
    run(world, Push.ALWAYS, chance=0.5)
    assert world.times(Send) == pytest.approx([0, 25 + 30])


def test_a_lost_line_is_replaced_by_polling_and_comes_back() -> None:
    world = World(
        RUNNING,
        pushes=[(10.0, None), (20.0, COMPLETED)],
        line_at=lambda at_s: Line.DOWN if 10 <= at_s < 15 else Line.UP,
    )
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.times(Subscribe) == pytest.approx([0, 11, 13, 17], rel=0.01)
    assert world.times(Send) == pytest.approx([0, 11, 13, 17], rel=0.01)
    assert world.now_s == 20.0


def test_the_end_is_found_by_polling_while_the_line_is_away() -> None:
    world = World(RUNNING, RUNNING, COMPLETED, line_at=lambda _: Line.DOWN)
    assert run(world, Push.ALWAYS) == COMPLETED


def test_a_line_that_flaps_is_asked_for_ever_more_seldom() -> None:
    world = World(RUNNING, pushes=[(0.0, None)] * 50)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.IF_OFFERED, timeout_s=60)
    assert len(world.times(Subscribe)) <= 8


def test_after_a_long_calm_the_first_pause_of_a_new_trouble_is_short_again() -> None:
    world = World(
        RUNNING,
        pushes=[(0.0, None), (1.0, None), (3.0, None), (100.0, RUNNING), (200.0, None), (205.0, COMPLETED)],
    )
    run(world, Push.ALWAYS)
    assert min(at_s for at_s in world.times(Subscribe) if at_s > 200) == pytest.approx(201, abs=0.01)


def test_the_snapshot_is_tried_again_while_the_line_is_up() -> None:
    world = World(AWAY, AWAY, QUEUED, pushes=[(10.0, COMPLETED)])
    assert run(world, Push.ALWAYS) == COMPLETED
    assert world.times(Send) == pytest.approx([0, 1, 3], rel=0.01)
    assert world.times(Subscribe) == [0]


def test_a_pushed_end_is_enough_though_no_snapshot_was_to_be_had() -> None:
    assert run(World(AWAY, pushes=[(0.5, COMPLETED)]), Push.ALWAYS) == COMPLETED


def test_without_a_redis_wait_polls_and_asks_no_more_for_a_line() -> None:
    world = World(QUEUED, RUNNING, COMPLETED, line_at=lambda _: Line.NONE)
    assert run(world, Push.IF_OFFERED) == COMPLETED
    assert world.kinds().count("Subscribe") == 1


def test_without_a_redis_subscribe_says_so() -> None:
    with pytest.raises(NoPushError, match="no Redis here") as raised:
        run(World(QUEUED, line_at=lambda _: Line.NONE), Push.ALWAYS)
    assert raised.value.job_id == "j1"


def test_a_job_that_began_another_life_is_believed_when_it_is_looked_at() -> None:
    later = BEGAN + timedelta(minutes=1)
    world = World(
        job(State.RUNNING, 9), job(State.RUNNING, 2, updated_at=later), job(State.COMPLETED, 3, updated_at=later)
    )
    assert run(world, Push.IF_OFFERED).state is State.COMPLETED
    assert world.told() == [9, 2, 3]


def test_messages_and_looks_that_are_merely_late_are_not_believed() -> None:
    late = job(State.RUNNING, 4, updated_at=BEGAN + timedelta(minutes=1))
    world = World(job(State.RUNNING, 9), job(State.RUNNING, 8), job(State.COMPLETED, 10), pushes=[(0.1, late)])
    run(world, Push.IF_OFFERED)
    assert world.told() == [9, 10]


def test_the_look_at_the_deadline_is_answered_in_full() -> None:
    world = World(job(State.RUNNING, 3), Answer(), job(State.COMPLETED, 3, updated_at=BEGAN + timedelta(minutes=1)))
    assert run(world, Push.NEVER, timeout_s=2.5).done
    headers = [step.request.headers.get("If-None-Match") for _, step in world.steps if isinstance(step, Send)]
    assert headers == [None, '"3"', None]


# Polling.


def test_polls_double_from_a_second_to_the_cap() -> None:
    world = World(*[RUNNING] * 8, COMPLETED)
    assert run(world, Push.NEVER) == COMPLETED
    pauses = [step.seconds for _, step in world.steps if isinstance(step, Pause)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30], rel=0.01)


def test_a_poll_says_what_it_knows_already() -> None:
    world = World(RUNNING, Answer(), COMPLETED)
    run(world, Push.NEVER)
    headers = [step.request.headers.get("If-None-Match") for _, step in world.steps if isinstance(step, Send)]
    assert headers == [None, '"2"', '"2"']


def test_the_single_job_may_become_another_one() -> None:
    world = World(job(State.RUNNING, 9, job_id="old"), job(State.COMPLETED, 3, job_id="new"))
    assert run(world, Push.NEVER, job_id=None).job_id == "new"
    assert [step.request.path for _, step in world.steps if isinstance(step, Send)] == ["/status", "/status"]


def test_retry_after_is_the_least_pause_and_is_taken_anew_from_every_answer() -> None:
    world = World(Answer(value=QUEUED, retry_after_s=20.0), Answer(retry_after_s=3.0), Answer(), COMPLETED)
    run(world, Push.NEVER)
    assert world.times(Send) == pytest.approx([0, 20, 23, 27], rel=0.01)


@pytest.mark.parametrize("push", [Push.NEVER, Push.ALWAYS])
def test_passing_trouble_never_ends_a_wait(push: Push) -> None:
    assert run(World(*[AWAY] * 10, COMPLETED), push) == COMPLETED


def test_what_is_sent_after_trouble_counts_as_a_retry() -> None:
    world = World(QUEUED, AWAY, RUNNING, COMPLETED)
    run(world, Push.NEVER)
    assert [step.is_retry for _, step in world.steps if isinstance(step, Send)] == [False, False, True, False]


@pytest.mark.parametrize("push", Push)
@pytest.mark.parametrize("error", [AuthenticationError(), JobNotFoundError()])
def test_a_refusal_ends_the_wait_at_once_and_names_the_job(push: Push, error: DubqError) -> None:
    world = World(RUNNING, Answer(error=error), pushes=[(0.0, None)])
    with pytest.raises(type(error)) as raised:
        run(world, push)
    assert (raised.value.job_id, raised.value.job) == ("j1", RUNNING)
    assert len(world.times(Send)) == 2


def test_an_unknown_job_ends_the_wait_at_its_first_look() -> None:
    world = World(Answer(error=JobNotFoundError()))
    with pytest.raises(JobNotFoundError):
        run(world, Push.IF_OFFERED)
    assert world.now_s == 0


# The deadline.


@pytest.mark.parametrize("push", Push)
def test_the_wait_asks_once_more_at_its_deadline_and_not_later(push: Push) -> None:
    world = World(RUNNING)
    with pytest.raises(WaitTimeoutError):
        run(world, push, timeout_s=10)
    assert world.times(Send)[-1] == world.now_s == 10


def test_an_end_that_is_found_at_the_deadline_counts() -> None:
    world = World(RUNNING, RUNNING, RUNNING, COMPLETED)
    assert run(world, Push.NEVER, timeout_s=5) == COMPLETED
    assert world.now_s == 5


def test_a_long_retry_after_does_not_make_it_oversleep() -> None:
    world = World(Answer(value=RUNNING, retry_after_s=3600.0), COMPLETED)
    assert run(world, Push.NEVER, timeout_s=5) == COMPLETED
    assert world.now_s == 5


def test_no_request_may_outlast_the_deadline_but_the_last_look_has_its_moment() -> None:
    world = World(RUNNING)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.NEVER, timeout_s=12)
    limits = [(at_s, step.within_s) for at_s, step in world.steps if isinstance(step, Send)]
    assert all(within_s <= min(10, 12 - at_s) for at_s, within_s in limits[:-1])
    assert limits[-1] == (12, LAST_LOOK_S)


def test_a_timeout_says_what_is_known_and_how_to_wait_on() -> None:
    world = World(job(State.RUNNING, 4, stage="voice", progress=0.5))
    with pytest.raises(TimeoutError) as raised:
        run(world, Push.NEVER, timeout_s=7)
    assert isinstance(raised.value, WaitTimeoutError)
    assert raised.value.job is not None
    assert raised.value.job.seq == 4
    assert str(raised.value) == (
        "j1 is still running (voice, 50%) after 7 s; it goes on, and can be waited for again: client.wait('j1')"
    )


def test_a_timeout_without_any_answer_has_the_trouble_as_its_cause() -> None:
    with pytest.raises(WaitTimeoutError, match="has not been seen") as raised:
        run(World(AWAY), Push.IF_OFFERED, timeout_s=3)
    assert raised.value.__cause__ is AWAY.error
    assert raised.value.job_id == "j1"


def test_a_timeout_sends_no_cancel_unless_asked_to() -> None:
    world = World(RUNNING)
    with pytest.raises(WaitTimeoutError):
        run(world, Push.NEVER, timeout_s=3)
    assert all(step.request.method == "GET" for _, step in world.steps if isinstance(step, Send))


def test_a_timeout_may_return_what_is_known() -> None:
    assert run(World(QUEUED, RUNNING), Push.NEVER, timeout_s=3, on_timeout="return") == RUNNING


def test_a_timeout_cannot_return_what_nobody_knows() -> None:
    with pytest.raises(WaitTimeoutError):
        run(World(AWAY), Push.NEVER, timeout_s=3, on_timeout="return")


def test_a_timeout_may_cancel_the_job() -> None:
    world = World(RUNNING, RUNNING, RUNNING, job(State.CANCELLED, 3))
    with pytest.raises(WaitTimeoutError, match="still running after 3 s; it was asked to stop") as raised:
        run(world, Push.NEVER, timeout_s=3, on_timeout="cancel")
    assert raised.value.job is not None
    assert raised.value.job.state is State.CANCELLED
    assert world.told()[-1] == 3


def test_a_job_that_ended_before_it_could_be_cancelled_is_returned() -> None:
    refusal: Answer[Any] = Answer(error=IllegalTransitionError(COMPLETED, State.CANCELLED))
    world = World(RUNNING, RUNNING, RUNNING, refusal, COMPLETED)
    assert run(world, Push.NEVER, timeout_s=3, on_timeout="cancel") == COMPLETED


@pytest.mark.parametrize(("request_timeout_s", "within_s"), [(10.0, CANCEL_S), (0.5, 0.5)])
def test_a_cancel_at_the_deadline_has_but_a_moment(request_timeout_s: float, within_s: float) -> None:
    world = World(RUNNING, RUNNING, RUNNING, job(State.CANCELLED, 3))
    with pytest.raises(WaitTimeoutError):
        run(world, Push.NEVER, timeout_s=3, on_timeout="cancel", request_timeout_s=request_timeout_s)
    (cancel,) = (step for _, step in world.steps if isinstance(step, Send) and step.request.method == "POST")
    assert cancel.within_s == within_s


def test_a_timeout_says_when_the_job_could_not_be_cancelled() -> None:
    with pytest.raises(WaitTimeoutError, match=r"could not be cancelled \(away\)"):
        run(World(RUNNING, AWAY), Push.NEVER, timeout_s=3, on_timeout="cancel")


def test_time_that_the_listener_of_updates_takes_counts() -> None:
    world = World(RUNNING)
    plan = wait(Terms(job_id="j1", push=Push.NEVER, timeout_s=5), 0.0, lambda: 0.0)

    def dawdle(_: Job) -> None:
        world.now_s += 20

    with pytest.raises(WaitTimeoutError):
        finish(drive(plan, world), dawdle)
    assert world.times(Send) == [0, 20]


@pytest.mark.parametrize(
    "terms",
    [{"timeout_s": float("nan")}, {"timeout_s": -1.0}, {"request_timeout_s": float("inf")}, {"on_timeout": "shrug"}],
)
def test_senseless_terms_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        Terms(job_id="j1", push=Push.NEVER, **terms)


@pytest.mark.parametrize("job_id", ["", "a:b", "../x", "x" * 65, "*"])
def test_what_cannot_be_an_id_never_gets_into_an_address_or_a_channel(job_id: str) -> None:
    with pytest.raises(JobNotFoundError):
        Terms(job_id=job_id, push=Push.ALWAYS)


# How it ends.


def test_a_failed_job_raises_with_its_reason() -> None:
    failed = job(State.ERROR, 3, error=Failure(code="no_audio", message="the video is silent"))
    with pytest.raises(JobFailedError, match="j1 failed: no_audio, the video is silent") as raised:
        run(World(failed), Push.NEVER)
    assert raised.value.job == failed


def test_a_cancelled_job_raises() -> None:
    with pytest.raises(JobCancelledError, match="j1 was cancelled"):
        run(World(job(State.CANCELLED, 2)), Push.ALWAYS)


@pytest.mark.parametrize("state", [State.ERROR, State.CANCELLED])
def test_no_end_raises_if_the_caller_says_so(state: State) -> None:
    assert run(World(job(state, 2)), Push.NEVER, raise_on_failure=False).state is state


# Insisting on an answer.


def ask(world: World, patience_s: float = 30.0) -> Job:
    plan = insist(http.read_job("j1"), patience_s, 10.0, world.now_s, lambda: 0.999_999)
    return finish(drive(plan, world), None)


def test_a_request_is_sent_again_until_it_is_answered() -> None:
    world = World(AWAY, AWAY, QUEUED)
    assert ask(world) == QUEUED
    assert world.times(Send) == pytest.approx([0, 1, 3], rel=0.01)
    assert [step.is_retry for _, step in world.steps if isinstance(step, Send)] == [False, True, True]


def test_a_refused_request_is_not_sent_again() -> None:
    world = World(Answer(error=AuthenticationError()))
    with pytest.raises(AuthenticationError):
        ask(world)
    assert len(world.steps) == 1


def test_a_request_is_sent_once_more_when_patience_ends_and_then_raises_the_trouble() -> None:
    world = World(AWAY)
    with pytest.raises(ServiceUnavailableError):
        ask(world, patience_s=10)
    assert world.times(Send)[-1] == world.now_s == 10


def test_a_request_is_sent_again_no_sooner_than_the_service_asked() -> None:
    busy: Answer[Any] = Answer(error=ServiceUnavailableError(), is_passing=True, retry_after_s=6.0)
    world = World(busy, QUEUED)
    ask(world)
    assert world.times(Send) == [0, 6]
