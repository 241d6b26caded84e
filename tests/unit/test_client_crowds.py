"""Many jobs at once, over both faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from replying import Reply, Service, refused, wire

from client import NotAllSubmittedError
from contract.job import Eta, Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.usefixtures("over_both_faces")


def batch(*results: Any) -> Reply:
    """Answer a batch: a job's id is that it was accepted, a number that it was refused with this status."""
    return (
        207,
        {
            "results": [
                {"status": each, "problem": {}}
                if isinstance(each, int)
                else {"status": 202, "job": wire(State.QUEUED, 1, each)}
                for each in results
            ]
        },
    )


def many(*job_ids: str) -> list[dict[str, Any]]:
    return [{"video_url": f"https://example.com/{job_id}.mp4", "job_id": job_id} for job_id in job_ids]


def test_many_are_submitted_in_one_request_and_returned_in_order() -> None:
    service = Service(refused(), batch("b", "a", "c"))
    client = service.client()
    assert [job.job_id for job in client.submit_many(many("b", "a", "c"))] == ["b", "a", "c"]
    assert service.urls() == ["http://dubq.test/jobs/batch"] * 2
    assert client.metrics.requests_by_kind == {"submit_many": 2}


def test_a_submission_of_many_without_an_id_is_sent_again_under_the_same_one() -> None:
    service = Service(refused(), (503, {}), (401, {}))
    with pytest.raises(NotAllSubmittedError) as raised:
        service.client().submit_many([{"video_url": "https://example.com/a.mp4"}])
    bodies = service.bodies()
    assert bodies == [bodies[0]] * 3
    assert bodies[0]["jobs"][0]["job_id"] == raised.value.job_id


def test_what_was_accepted_of_many_is_known_though_some_are_refused() -> None:
    service = Service(batch("a", 422, 503), batch("c"))
    with pytest.raises(NotAllSubmittedError, match="1 of 3 jobs were not submitted") as raised:
        service.client().submit_many(many("a", "b", "c"))
    assert [job and job.job_id for job in raised.value.jobs] == ["a", None, "c"]
    assert raised.value.job_id == "b"


@pytest.mark.parametrize(
    ("submission", "kind"),
    [
        ({"job_id": "x"}, TypeError),
        ({"video_url": "https://example.com/a.mp4", "vidoe": 1}, TypeError),
        ({"video_url": "https://example.com/a.mp4", "video_duration_s": float("inf")}, ValueError),
    ],
)
def test_nothing_is_sent_of_many_if_one_is_no_submission(submission: dict[str, Any], kind: type[Exception]) -> None:
    service = Service((202, wire(State.QUEUED, 1)))
    with pytest.raises(kind):
        service.client().submit_many([{"video_url": "https://example.com/a.mp4"}, submission])
    assert service.seen == []


def test_what_cannot_be_sent_in_time_is_not_sent_at_all() -> None:
    service = Service(refused())
    submissions = [{"video_url": "https://example.com/a.mp4", "job_id": f"j{n}"} for n in range(50)]
    with pytest.raises(NotAllSubmittedError) as raised:
        service.client().submit_many(submissions, timeout=5)
    assert [error.job_id for error in raised.value.errors] == [f"j{n}" for n in range(50)]
    assert len(service.seen) < 100


def bulk(*jobs: dict[str, Any]) -> Reply:
    return (200, {"jobs": list(jobs), "missing": []})


def test_many_are_waited_for_by_bulk_reads_of_those_that_go_on() -> None:
    service = Service(
        (200, {"client_id": "acme", "redis": None}),
        bulk(wire(State.RUNNING, 2, "a"), wire(State.COMPLETED, 3, "b")),
        bulk(wire(State.ERROR, 3, "a")),
    )
    ended = service.client().wait_all(["b", "a", "b"])
    assert {job_id: job.state for job_id, job in ended.items()} == {"b": State.COMPLETED, "a": State.ERROR}
    assert list(ended) == ["b", "a"]
    assert [parse_qs(urlsplit(url).query).get("ids") for url in service.urls()] == [None, ["b,a"], ["a"]]


def test_many_are_yielded_as_they_end() -> None:
    service = Service(
        (200, {"client_id": "acme", "redis": None}),
        bulk(wire(State.RUNNING, 2, "a"), wire(State.COMPLETED, 3, "b")),
        bulk(wire(State.CANCELLED, 3, "a")),
    )
    assert [job.job_id for job in service.client().as_completed(["a", "b"])] == ["b", "a"]


def test_of_no_jobs_all_have_ended() -> None:
    service = Service((500, {}))
    client = service.client()
    assert (client.wait_all([]), list(client.as_completed([])), client.submit_many([])) == ({}, [], [])
    assert service.seen == []


# What a submit was told is the first look of a wait that polls.

ETA = Eta(p10_s=6, p50_s=10, p90_s=14)


def asked_after_a_submit(between: Callable[[Any], object]) -> tuple[list[float], list[Any]]:
    """Return when a job was read by the wait after its submit, and what that told of."""
    queued = wire(State.QUEUED, 1, eta=ETA)
    service = Service((202, queued), (200, {"jobs": [queued], "next_cursor": None} | queued))
    client = service.client()
    client.submit("https://example.com/a.mp4", job_id="j1")
    between(client)
    service.replies, before = [(200, wire(State.COMPLETED, 3))], len(service.seen)
    told: list[Job] = []
    client.poll_status("j1", told.append)
    return [at_s for at_s, _ in service.seen[before:]], [job.state for job in told]


def test_a_poll_after_a_submit_looks_first_when_the_end_is_due() -> None:
    [first_s], told = asked_after_a_submit(lambda _: None)
    assert 7 < first_s < 9
    assert told == [State.QUEUED, State.COMPLETED]


@pytest.mark.parametrize(
    "between",
    [
        lambda client: client.get_status("j1"),
        lambda client: client.get_statuses(["j1"]),
        lambda client: client.cancel("j1"),
        lambda client: list(client.jobs()),
    ],
)
def test_a_poll_after_anything_else_was_asked_of_the_job_looks_at_once(between: Callable[[Any], object]) -> None:
    assert asked_after_a_submit(between) == ([0], [State.COMPLETED])


def test_each_of_many_that_were_submitted_is_polled_for_when_its_end_is_due() -> None:
    jobs = [wire(State.QUEUED, 1, each, eta=ETA) for each in "ab"]
    service = Service(
        (207, {"results": [{"status": 202, "job": each} for each in jobs]}), (200, wire(State.COMPLETED, 3))
    )
    client = service.client()
    client.submit_many(many("a", "b"))
    client.poll_status("a")
    assert len(service.seen) == 2
    assert service.seen[1][0] > 7
