"""The store's sentences about lists, and places in line; each is tried on fakeredis and on a real Valkey."""

import pytest
import redis
from given import Clock, a_job, made

from contract.errors import InvalidFieldsError
from contract.states import State
from store import keys, listing
from store.jobs import JobStore
from store.runs import RunStore


def test_positions_count_the_jobs_ahead(jobs: JobStore, runs: RunStore, clock: Clock) -> None:
    for job_id in ("a", "b", "c"):
        jobs.create(a_job(job_id, at=clock()), fingerprint="f")
        clock.pass_s(1)
    assert [job.position for job in jobs.read_many(["a", "b", "c"], "default")] == [0, 1, 2]
    runs.start("a")
    assert [job.position for job in jobs.read_many(["a", "b", "c"], "default")] == [None, 0, 1]


def test_a_list_is_walked_page_by_page_newest_first(
    jobs: JobStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "CHUNK", 3)
    for number in range(25):
        jobs.create(a_job(f"j{number:02}", at=clock()), fingerprint="f")
        clock.pass_s(number % 9 == 0)  # many are made in the same millisecond
    seen: list[str] = []
    cursor = None
    while True:
        page = jobs.list("default", limit=4, cursor=cursor)
        seen += [job.job_id for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"j{number:02}" for number in reversed(range(25))]


def test_a_list_can_be_narrowed_by_state_and_language(jobs: JobStore, runs: RunStore) -> None:
    for job_id, language in (("a", "es"), ("b", "fr"), ("c", "es")):
        made(jobs, job_id, target_language=language)
    runs.start("a")
    assert [job.job_id for job in jobs.list("default", state=State.QUEUED).jobs] == ["c", "b"]
    assert [job.job_id for job in jobs.list("default", target_language="es").jobs] == ["c", "a"]
    assert [job.job_id for job in jobs.list("default", state=State.RUNNING, target_language="fr").jobs] == []


def test_a_list_goes_on_after_jobs_that_are_gone(jobs: JobStore, clock: Clock, connection: redis.Redis) -> None:
    for job_id in ("a", "b", "c"):
        jobs.create(a_job(job_id, at=clock()), fingerprint="f")
        clock.pass_s(1)
    cursor = jobs.list("default", limit=1).next_cursor
    connection.zrem(keys.listing("default"), "c")
    assert [job.job_id for job in jobs.list("default", cursor=cursor).jobs] == ["b", "a"]


@pytest.mark.parametrize("cursor", ["x", "1", "1.", ".a", "1.a:b", "-1.a", "9" * 14 + ".a", "²3.a"])
def test_a_made_up_cursor_is_refused(jobs: JobStore, cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        jobs.list("default", cursor=cursor)
