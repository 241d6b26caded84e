"""Whatever is lost, doubled or refused, each of many submissions ends once: as its one job, or as its error."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drivers import awaited, blocking, virtually
from hypothesis import given
from hypothesis import strategies as st
from worlds import job

from client import http
from client.batch import NotAllSubmittedError, submit_many
from client.driver import drive, finish
from client.http import Answer
from client.steps import Pause, Reply, Send, Step
from client.waiting import LAST_TRY_S
from contract.errors import (
    AuthenticationError,
    BodyTooLargeError,
    DubqError,
    InternalError,
    JobExistsError,
    NotJsonError,
    RateLimitedError,
    ServiceUnavailableError,
)
from contract.job import Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from client.steps import Plan

TROUBLES = (ServiceUnavailableError("away"), RateLimitedError("slow down"))


@dataclass
class Service:
    """Takes submissions as the dice say: an answer may be lost before or after they were taken, wholly or in part.

    Those in `refused` are refused for good, `unreadable` ones with all that they come with; no request may have more
    than `most`. Once `trouble_until_s` is over all goes well.
    """

    seed: int
    job_ids: list[str]
    refused: frozenset[str]
    unreadable: frozenset[str]
    keyed: frozenset[str]
    most: int
    trouble_until_s: float
    refusal_odds: float
    dice: random.Random = field(init=False)
    now_s: float = 0.0
    made: set[str] = field(default_factory=set)
    steps: list[tuple[float, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311

    def again(self) -> Service:
        return Service(
            self.seed,
            self.job_ids,
            self.refused,
            self.unreadable,
            self.keyed,
            self.most,
            self.trouble_until_s,
            self.refusal_odds,
        )

    def submissions(self) -> list[http.Request[Job]]:
        return [
            http.submit({"job_id": each, "video_url": "https://e.x/v"}, "key" if each in self.keyed else None)
            for each in self.job_ids
        ]

    def is_bad(self, odds: float = 0.4) -> bool:
        return self.now_s < self.trouble_until_s and self.dice.random() < odds

    def send(self, step: Send[Any]) -> Answer[Any]:
        body = step.request.body or {}
        ids = [each["job_id"] for each in body.get("jobs", [body])]
        self.steps.append((self.now_s, (step.request.path, ids, step.within_s, step.is_retry)))
        pause_s = self.dice.choice([0.0, 0.0, 2.0, 20.0])
        self.now_s += self.dice.choice([0.0, min(0.01, step.within_s), step.within_s])
        if self.is_bad():
            return Answer(error=self.dice.choice(TROUBLES), is_passing=True, retry_after_s=pause_s)
        refusal = self.refusal(ids)
        if refusal:
            return Answer(error=refusal)
        found = tuple(self.judge(each) for each in ids)
        if self.is_bad():
            return Answer(error=ServiceUnavailableError("lost"), is_passing=True)
        if step.request.path == "/jobs/batch":
            return Answer(value=found)
        [alone] = found
        if isinstance(alone, DubqError):
            return Answer(error=alone, is_passing=not isinstance(alone, JobExistsError))
        return Answer(value=alone)

    def refusal(self, ids: list[str]) -> DubqError | None:
        """Return why all of these are refused, if they are."""
        if self.dice.random() < self.refusal_odds:
            return AuthenticationError("no")
        if len(ids) > self.most:
            return BodyTooLargeError()
        return NotJsonError() if self.unreadable.intersection(ids) else None

    def judge(self, job_id: str) -> Job | DubqError:
        if self.is_bad(0.1):
            kind = self.dice.choice([ServiceUnavailableError, RateLimitedError, InternalError])
            return kind("not now", job_id=job_id)
        if job_id in self.refused:
            return JobExistsError("another", job_id=job_id)
        self.made.add(job_id)
        return job(State.QUEUED, 1, job_id=job_id)

    def pause(self, seconds: float) -> None:
        self.steps.append((self.now_s, seconds))
        self.now_s += seconds

    def __call__(self, step: Step) -> Reply:
        if isinstance(step, Pause):
            self.pause(step.seconds)
            return Reply(at_s=self.now_s)
        assert isinstance(step, Send)
        answer = self.send(step)
        return Reply(at_s=self.now_s, answer=answer)

    def tell(self, news: Job) -> None:
        raise AssertionError(news)


ids = st.lists(st.sampled_from("abcdefghijkl"), max_size=12)
some = st.frozensets(st.sampled_from("abcdefghijkl"), max_size=4)


def services(refusal_odds: float = 0.02) -> st.SearchStrategy[Service]:
    return st.builds(
        Service,
        seed=st.integers(),
        job_ids=ids,
        refused=some,
        unreadable=some,
        keyed=some,
        most=st.integers(1, 12),
        trouble_until_s=st.floats(0, 200),
        refusal_odds=st.just(refusal_odds),
    )


def submitting(patience_s: float) -> Callable[[Any], Plan[Any]]:
    return lambda service: submit_many(service.submissions(), patience_s, 10.0, 0.0, service.dice.random)


def outcomes(service: Service, patience_s: float) -> list[Job | DubqError]:
    try:
        return list(finish(drive(submitting(patience_s)(service), service), None))
    except NotAllSubmittedError as error:
        pairs = list(zip(error.jobs, error.errors, strict=True))
        assert all((found is None) is not (failure is None) for found, failure in pairs)
        return [found or failure for found, failure in pairs if found or failure]


@given(service=services(), patience_s=st.floats(0, 400))
def test_each_ends_once_in_its_place_and_what_is_a_job_was_made(service: Service, patience_s: float) -> None:
    found = outcomes(service, patience_s)
    assert [each.job_id for each in found] == service.job_ids
    for each in found:
        if isinstance(each, Job):
            assert each.job_id in service.made
    assert service.now_s <= patience_s + LAST_TRY_S + 1e-6


@given(service=services(refusal_odds=0.0))
def test_with_patience_all_are_submitted_but_those_refused_for_good(service: Service) -> None:
    found = outcomes(service, 10_000)
    for job_id, each in zip(service.job_ids, found, strict=True):
        if job_id in service.unreadable:
            assert isinstance(each, NotJsonError)
        elif job_id in service.refused:
            assert isinstance(each, JobExistsError)
        else:
            assert isinstance(each, Job)


@given(service=services(refusal_odds=0.0))
def test_no_trouble_is_answered_with_a_hot_loop(service: Service) -> None:
    outcomes(service, 10_000)
    sent = sum(not isinstance(step, float) for _, step in service.steps)
    pauses = [step for _, step in service.steps if isinstance(step, float)]
    # each is cut apart at most once, and each other request is the first or follows a pause
    assert sent <= 2 * len(service.job_ids) + len(pauses)
    assert all(step >= 0.5 for step in pauses)


@given(service=services(), patience_s=st.floats(0, 400))
def test_both_drivers_take_the_same_steps_as_one_on_a_virtual_clock(service: Service, patience_s: float) -> None:
    worlds = [service.again() for _ in range(3)]
    ends = [
        act(world, submitting(patience_s)) for act, world in zip((virtually, blocking, awaited), worlds, strict=True)
    ]
    assert ends[0] == ends[1] == ends[2]
    assert worlds[0].steps == worlds[1].steps == worlds[2].steps
    assert worlds[0].now_s == worlds[1].now_s == worlds[2].now_s
