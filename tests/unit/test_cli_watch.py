"""What `dubq watch` knows and says, against a client whose lists and messages a test hands out."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from given import a_job
from scripted import DONE, RUNNING, Scripted, run
from service import eventually

from cli.watching import FOLLOW_S, GATHERED_S, MOST_WAITS, Watching
from contract.errors import AuthenticationError, DubqError, JobNotFoundError, ServiceUnavailableError, WaitTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from contract.job import Job

SOON_S = 0.01


class Told(Scripted):
    """Lists what it is given, one list after the other, the last for ever; its waits go on until they are ended."""

    def __init__(self, *lists: list[Job] | BaseException) -> None:
        super().__init__(DONE)
        self.lists = list(lists)
        self.tells: list[Callable[[Job], object]] = []
        self.over = threading.Event()
        self.trouble: DubqError | None = None

    def __exit__(self, *_: object) -> None:
        self.over.set()

    def jobs(self, **_: object) -> Iterator[Job]:
        found = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(found, BaseException):
            raise found
        yield from found

    def wait_all(self, job_ids: Iterable[str], *, on_update: Callable[[Job], object], **_: object) -> dict[str, Job]:
        self.tells.append(on_update)
        self.waits.append(sorted(job_ids))
        if self.trouble:
            raise self.trouble
        assert self.over.wait(30)
        return {}


def begun(client: Told) -> Watching:
    found = Watching(client, 20)
    found.look()
    return found


def steps(watching: Watching, number: int) -> list[Job | None]:
    return list(itertools.islice(watching.changes(SOON_S), number))


def look(watching: Watching, waits: int) -> None:
    watching.look()
    eventually(lambda: len(watching._client.waits) >= waits, 5)


def test_a_change_is_told_without_a_list() -> None:
    with Told([a_job("j2"), a_job("j1")]) as client:
        watching = begun(client)
        eventually(lambda: client.tells, 5)
        client.tells[0](replace(RUNNING, job_id="j1"))
        (told,) = itertools.islice(watching.changes(60), 1)
        assert told == watching.jobs[1] == replace(RUNNING, job_id="j1")


def test_a_job_is_followed_once_from_the_list_that_has_it_first() -> None:
    first, second = [a_job("j2"), replace(DONE, job_id="j1")], [a_job("j3"), a_job("j2")]
    with Told(first, first, second) as client:
        watching = begun(client)
        look(watching, 1)
        look(watching, 2)
        assert client.waits == [["j2"], ["j3"]]


def test_a_job_that_is_reset_is_followed_again_while_others_of_its_wait_go_on() -> None:
    with Told([a_job("j2"), a_job("j1")]) as client:
        watching = begun(client)
        eventually(lambda: client.tells, 5)
        client.tells[0](replace(DONE, job_id="j1"))
        client.lists = [[a_job("j2"), replace(a_job("j1"), seq=6)]]
        look(watching, 2)
        assert client.waits == [["j1", "j2"], ["j1"]]


def test_jobs_whose_wait_broke_off_are_followed_again() -> None:
    with Told([a_job("j2"), a_job("j1")]) as client:
        client.trouble = JobNotFoundError(job_id="j1")
        watching = begun(client)
        eventually(lambda: not any(thread.is_alive() for thread, _ in watching._following._waits), 5)
        client.trouble, client.lists = None, [[a_job("j2")]]
        look(watching, 2)
        assert client.waits == [["j1", "j2"], ["j2"]]


class Patient(Told):
    """Its waits end in time as well: those of few seconds once the test says so."""

    def __init__(self, *lists: list[Job]) -> None:
        super().__init__(*lists)
        self.patience_s: list[float] = []
        self.gathered = threading.Semaphore(0)

    def wait_all(self, job_ids: Iterable[str], *, timeout: float, **more: Any) -> dict[str, Job]:
        self.patience_s.append(timeout)
        if timeout == FOLLOW_S:
            return super().wait_all(job_ids, **more)
        self.waits.append(sorted(job_ids))
        assert self.gathered.acquire(timeout=30)
        raise WaitTimeoutError("as told")


def test_jobs_that_arrive_one_by_one_take_few_threads_and_are_all_followed() -> None:
    jobs = [a_job(f"j{n:03}") for n in range(300)]
    with Patient([]) as client:
        watching = Watching(client, 300)
        for number in range(1, 301):
            client.lists = [jobs[:number]]
            watching.look()
        waits = watching._following._waits
        assert len(waits) == MOST_WAITS
        eventually(lambda: len(client.waits) == MOST_WAITS, 5)
        assert sorted(client.patience_s) == [GATHERED_S, *[FOLLOW_S] * (MOST_WAITS - 1)]
        client.gathered.release()
        eventually(lambda: not waits[-1][0].is_alive(), 5)
        look(watching, MOST_WAITS + 1)
        assert client.waits[-1] == [job.job_id for job in jobs[MOST_WAITS - 1 :]]
        client.gathered.release()


def test_a_list_that_a_message_has_overtaken_changes_nothing() -> None:
    with Told([a_job("j1")]) as client:
        watching = begun(client)
        eventually(lambda: client.tells, 5)
        client.tells[0](RUNNING)
        assert steps(watching, 1) == [RUNNING]
        assert watching.look() == []
        assert watching.jobs == (RUNNING,)


def test_where_a_job_is_in_the_queue_is_drawn_and_not_told() -> None:
    with Told([replace(a_job(), position=3)], [replace(a_job(), position=2)]) as client:
        watching = begun(client)
        assert watching.look() == []
        assert watching.jobs[0].position == 2


def test_what_is_told_of_jobs_that_are_not_shown_is_left_out() -> None:
    with Told([a_job("j1")], [a_job("j3")], [a_job("j3")], [a_job("j3"), a_job("j4")]) as client:
        watching = begun(client)
        eventually(lambda: client.tells, 5)
        watching.look()
        client.tells[0](RUNNING)
        assert steps(watching, 1) == [a_job("j4")]


def test_a_service_that_is_away_is_trouble_until_it_is_back() -> None:
    with Told([a_job("j1")], ServiceUnavailableError("away"), [a_job("j2")]) as client:
        watching = begun(client)
        changes = watching.changes(SOON_S, itertools.count(step=100).__next__)  # a clock by which nothing takes long
        assert next(changes) is None
        assert watching.trouble == "away; trying again"
        assert watching.jobs == (a_job("j1"),)
        assert next(changes) == a_job("j2")
        assert not watching.trouble


def test_a_token_that_is_refused_later_ends_the_watch() -> None:
    found = run(Told([a_job("j1")], AuthenticationError()), "watch", "--every", "0.05", "--json")
    assert found.exit_code == 3
    assert json.loads(found.stdout.splitlines()[-1])["error"]["code"] == "unauthenticated"


def test_ctrl_c_prints_the_command_that_waits_for_what_has_not_ended() -> None:
    jobs = [a_job("j3"), replace(DONE, job_id="j2"), a_job("j1")]
    found = run(Told(jobs, KeyboardInterrupt()), "watch", "--every", "0.05", "--json", "--url", "http://h:1")
    assert found.exit_code == 130
    assert [json.loads(line)["job_id"] for line in found.stdout.splitlines()] == ["j1", "j2", "j3"]
    assert "dubq wait j3 j1 --url http://h:1" in found.stderr


@pytest.mark.parametrize("jobs", [[], [DONE]])
def test_ctrl_c_prints_no_command_where_all_have_ended(jobs: list[Job]) -> None:
    found = run(Told(jobs, KeyboardInterrupt()), "watch", "--every", "0.05")
    assert (found.exit_code, "dubq wait" in found.stderr) == (130, False)
