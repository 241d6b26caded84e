from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from worlds import COMPLETED, QUEUED, RUNNING, World, job, run

from client import http
from client.driver import drive, finish
from client.http import Answer
from client.many import ManyTerms, wait_all
from client.memory import MOST_TOLD, Memory, Told
from client.patience import Push
from client.schedule import LEAST_S
from client.steps import Listen, Pause, Send, Tell
from contract.job import Eta
from contract.states import State

if TYPE_CHECKING:
    from contract.job import Job

DUE = replace(QUEUED, eta=Eta(p10_s=6, p50_s=10, p90_s=14))  # U(5,15)
SUBMIT: http.Request[Job] = http.submit({"job_id": "j1", "video_url": "v"}, None)


def heard(*jobs: Job, at_s: float = 3.0) -> Memory:
    memory = Memory()
    memory.hear(replace(SUBMIT, kind=http.Kind.SUBMIT_MANY, job_id=None), Answer(value=jobs), at_s)
    return memory


# What is remembered.


def test_what_a_submit_was_told_is_handed_over_once() -> None:
    memory = Memory()
    memory.hear(SUBMIT, Answer(value=QUEUED), 3.0)
    assert memory.take(["j1"]) == (Told(QUEUED, 3.0),)
    assert memory.take(["j1"]) == ()


def test_of_many_all_have_to_be_known_or_none_is_told() -> None:
    a, b = job(State.QUEUED, 1, job_id="a"), job(State.QUEUED, 1, job_id="b")
    assert [each.job for each in heard(a, b).take(["b", "a"])] == [b, a]
    assert heard(a, b).take(["a", "c"]) == ()
    assert heard(a).take([]) == ()


@pytest.mark.parametrize(
    ("request_", "value"),
    [
        (http.read_job("j1"), RUNNING),
        (http.cancel("j1"), None),  # lost, and perhaps done
        (http.reset("j1"), QUEUED),
        (http.read_many(["j1"]), (RUNNING,)),
        (http.list_jobs(None, None, None), http.Page(jobs=(RUNNING,), next_cursor=None)),
    ],
)
def test_whatever_else_is_asked_of_a_job_overtakes_what_its_submit_was_told(
    request_: http.Request[Any], value: Any
) -> None:
    memory = heard(QUEUED)
    memory.hear(request_, Answer(value=value), 4.0)
    assert memory.take(["j1"]) == ()


def test_what_is_asked_of_another_job_does_not() -> None:
    memory = heard(QUEUED)
    memory.hear(http.read_job("j2"), Answer(value=job(State.RUNNING, 2, job_id="j2")), 4.0)
    assert memory.take(["j1"]) == (Told(QUEUED, 3.0),)


def test_a_job_that_has_ended_and_an_error_are_not_kept() -> None:
    memory = heard(QUEUED)
    memory.hear(SUBMIT, Answer(value=COMPLETED), 4.0)
    memory.hear(SUBMIT, Answer(), 5.0)
    assert memory.take(["j1"]) == ()


def test_the_oldest_are_forgotten() -> None:
    memory = heard(*(job(State.QUEUED, 1, job_id=f"j{n}") for n in range(MOST_TOLD + 1)))
    assert memory.take(["j0"]) == ()
    assert memory.take(["j1"])
    assert memory.take([f"j{MOST_TOLD}"])


# What a wait makes of it.


def told(what: Job, at_s: float = 0.0) -> tuple[Told, ...]:
    return (Told(what, at_s),)


def test_a_poller_who_was_told_by_its_submit_makes_one_look_less_and_finds_the_end_as_early() -> None:
    looks, ends = [], []
    for known in ((), told(DUE)):
        world = World(*([Answer(value=DUE)] * (not known)), Answer(), Answer(), COMPLETED)
        run(world, Push.NEVER, chance=0.0, told=known)
        looks.append(world.times(Send))
        ends.append(world.now_s)
    assert looks[1] == looks[0][1:]
    assert ends[0] == ends[1]


def test_what_the_submit_was_told_is_told_first_and_the_service_is_asked_for_what_is_newer() -> None:
    world = World(Answer(), RUNNING, COMPLETED)
    run(world, Push.NEVER, told=told(DUE))
    assert world.told() == [1, 2, 3]
    assert world.kinds()[:3] == ["Tell", "Pause", "Send"]
    assert [s.request.headers.get("If-None-Match") for _, s in world.steps if isinstance(s, Send)] == [
        '"1"',
        '"1"',
        '"2"',
    ]


def test_without_an_eta_the_first_look_comes_after_the_shortest_pause_and_the_next_as_ever() -> None:
    world = World(QUEUED, QUEUED, COMPLETED)
    run(world, Push.NEVER, told=told(QUEUED))
    assert world.times(Send) == pytest.approx([LEAST_S, LEAST_S + 2, LEAST_S + 2 + 4], rel=0.01)


def test_a_job_of_no_time_is_known_after_the_shortest_pause() -> None:
    world = World(COMPLETED)
    run(world, Push.NEVER, told=told(replace(QUEUED, eta=Eta(p10_s=0, p50_s=0.01, p90_s=0.02))))
    assert world.times(Send) == [pytest.approx(LEAST_S)]


@pytest.mark.parametrize("what", [QUEUED, DUE])
def test_what_was_told_long_ago_is_looked_at_at_once(what: Job) -> None:
    world = World(COMPLETED)
    run(world, Push.NEVER, told=told(what, at_s=-60.0))
    assert world.times(Send) == [0]


def test_the_pause_counts_from_when_it_was_told() -> None:
    firsts = []
    for at_s in (0.0, -2.0):
        world = World(COMPLETED)
        run(world, Push.NEVER, told=told(DUE, at_s=at_s))
        firsts.append(world.times(Send)[0])
    assert firsts[0] == pytest.approx(firsts[1] + 2)


def test_a_wait_that_is_over_before_the_end_is_due_looks_at_once_and_at_its_deadline() -> None:
    world = World(Answer(), COMPLETED)
    assert run(world, Push.NEVER, timeout_s=4, told=told(DUE)) == COMPLETED
    assert world.times(Send) == [0, 4]


@pytest.mark.parametrize("push", [Push.IF_OFFERED, Push.ALWAYS])
def test_where_a_line_begins_nothing_was_told_before(push: Push) -> None:
    worlds = [World(QUEUED, pushes=[(5.0, COMPLETED)]) for _ in range(2)]
    for world, known in zip(worlds, ((), told(DUE)), strict=True):
        run(world, push, told=known)
    assert worlds[0].steps == worlds[1].steps
    assert worlds[0].kinds()[:2] == ["Subscribe", "Send"]


def test_one_that_began_another_life_since_is_believed() -> None:
    later = replace(QUEUED, updated_at=QUEUED.updated_at.replace(year=2027))
    world = World(later, COMPLETED)
    run(world, Push.NEVER, told=told(job(State.RUNNING, 9)))
    assert world.told() == [9, 1, 3]


def test_a_wait_for_many_that_only_polls_begins_with_what_all_were_told() -> None:
    both = tuple(Told(replace(DUE, job_id=each), 0.0) for each in "ab")
    terms = ManyTerms(job_ids=("a", "b"), push=Push.NEVER, told=both)
    world = World(Answer(value=tuple(replace(COMPLETED, job_id=each) for each in "ab")))
    assert list(finish(drive(wait_all(terms, 0.0, lambda: 0.0), world), None)) == ["a", "b"]
    assert [type(step) for _, step in world.steps if not isinstance(step, (Listen, Pause))] == [
        Tell,
        Tell,
        Send,
        Tell,
        Tell,
    ]


def test_the_first_look_after_a_submit_comes_no_sooner_than_its_answer_asked() -> None:
    world = World(RUNNING, COMPLETED)
    run(world, Push.NEVER, told=(Told(QUEUED, 0.0, 4.0),))
    assert world.times(Send)[0] == 4.0
