"""Jobs of several clients together, newest first; on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from given import begun, made

from contract.errors import InvalidFieldsError
from contract.states import State
from store.history import changes
from store.overview import Overview
from store.sessions import KEPT_S, Sessions

if TYPE_CHECKING:
    import redis
    from given import Clock

    from contract.job import Job
    from store.jobs import JobStore
    from store.ledger import Ledger
    from store.runs import RunStore

CLIENTS = ["default", "acme", "other"]


def anything(_: Job) -> bool:
    return True


def walk(overview: Overview, clients: list[str], limit: int) -> list[tuple[str, str]]:
    """Return all jobs, read page by page, as whose they are and how they are called."""
    found: list[tuple[str, str]] = []
    cursor = None
    while True:
        page = overview.page(clients, fits=anything, limit=limit, cursor=cursor)
        found += [(job.client_id, job.job_id) for job in page.jobs]
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_all_jobs_are_met_once_and_newest_first_however_they_are_paged(
    ledger: Ledger, jobs: JobStore, clock: Clock, limit: int
) -> None:
    overview, wanted = Overview(ledger), []
    for moment in range(4):  # several of one moment, and of one name
        for client_id in CLIENTS:
            for name in ("a", "b") if moment % 2 else ("a-b",):
                job = made(jobs, f"{name}{moment}", client_id=client_id, at=clock())
                wanted.append((job.created_at, job.job_id, client_id))
        clock.pass_s(0.001)
    newest_first = [(client_id, job_id) for _, job_id, client_id in sorted(wanted, reverse=True)]
    assert walk(overview, CLIENTS, limit) == newest_first
    assert walk(overview, ["acme"], limit) == [each for each in newest_first if each[0] == "acme"]
    assert walk(overview, [], limit) == []


def test_a_state_and_a_filter_leave_out_the_others(ledger: Ledger, jobs: JobStore, runs: RunStore) -> None:
    begun(jobs, runs, "runs", client_id="acme", title="Keynote")
    made(jobs, "waits", client_id="other", title="Keynote")
    made(jobs, "else", client_id="other", title="Interview")
    overview = Overview(ledger)
    page = overview.page(CLIENTS, state=State.QUEUED, fits=lambda job: job.title == "Keynote", limit=10)
    assert [job.job_id for job in page.jobs] == ["waits"]
    counts = {State.QUEUED: 2, State.RUNNING: 1, State.COMPLETED: 0, State.ERROR: 0, State.CANCELLED: 0}
    assert overview.counts(CLIENTS) == counts
    assert overview.counts(["acme"])[State.QUEUED] == 0


@pytest.mark.parametrize("cursor", ["", "1", "1.j1", "1.j1.UP", "x.j1.acme", "1.j 1.acme"])
def test_a_cursor_that_is_none_is_refused(ledger: Ledger, cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        Overview(ledger).page(CLIENTS, fits=anything, limit=1, cursor=cursor)


def test_a_job_s_history_is_its_own_from_the_first_change_to_the_last(
    jobs: JobStore, connection: redis.Redis, clock: Clock
) -> None:
    made(jobs, "j1", at=clock(), metadata={"note": '"job_id":"j2"'})
    made(jobs, "j2", at=clock())
    jobs.cancel("j1", "default")
    jobs.reset("j1", "default")
    jobs.cancel("j1", "default")
    assert [(job.seq, job.state) for job in changes(connection, jobs.record("j1", "default"))] == [
        (1, "queued"),
        (2, "cancelled"),
        (3, "queued"),
        (4, "cancelled"),
    ]
    assert [job.job_id for job in changes(connection, jobs.record("j2", "default"))] == ["j2"]


def test_a_session_stands_for_a_token_and_redis_has_neither(connection: redis.Redis) -> None:
    sessions = Sessions(connection)
    session = sessions.begin("the-token-s-hash")
    assert sessions.token_of(session) == "the-token-s-hash"
    (key,) = connection.keys("dubq:session:*")
    assert session not in key.decode()
    assert KEPT_S - 5 < connection.ttl(key) <= KEPT_S
    assert [sessions.token_of(each) for each in ("", session[:-1])] == [None, None]
    sessions.end(session)
    sessions.end(session)
    assert sessions.token_of(session) is None
