"""Jobs in states that this version does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from replying import Service, wire

from client import UnknownStateError
from contract.states import State

if TYPE_CHECKING:
    from contract.job import Job

pytestmark = pytest.mark.usefixtures("over_both_faces")


PAUSED = wire(State.RUNNING, 2) | {"state": "paused", "result": "pending", "done": False}
REFUSED = wire(State.ERROR, 3) | {"state": "refused", "result": "refused", "done": True}


def test_a_wait_goes_on_while_a_job_is_in_a_state_of_tomorrow() -> None:
    told: list[Job] = []
    service = Service((200, PAUSED), (200, PAUSED), (200, wire(State.COMPLETED, 3)))
    assert service.client().poll_status("j1", told.append).seq == 3
    assert [job.state for job in told] == ["paused", State.COMPLETED]


def test_an_end_of_tomorrow_ends_a_wait_and_is_no_success() -> None:
    service = Service((200, REFUSED))
    with pytest.raises(UnknownStateError, match="'refused'") as raised:
        service.client().poll_status("j1")
    assert raised.value.job_id == "j1"
    assert raised.value.job is not None
    assert raised.value.job.state == "refused"
    job = service.client().poll_status("j1", raise_on_failure=False)
    assert (job.state, job.result, job.done) == ("refused", "refused", True)
    assert service.now_s == 0


def test_one_job_in_a_state_of_tomorrow_does_not_spoil_the_others() -> None:
    service = Service((200, {"jobs": [PAUSED, wire(State.RUNNING, 1, "j2")], "next_cursor": None}))
    client = service.client()
    assert {job_id: job.state for job_id, job in client.get_statuses(["j1", "j2"]).items()} == {
        "j1": "paused",
        "j2": State.RUNNING,
    }
    assert [job.state for job in client.jobs()] == ["paused", State.RUNNING]


def test_many_are_waited_for_through_states_of_tomorrow() -> None:
    roads = (200, {"client_id": "acme", "redis": None})
    other = REFUSED | {"job_id": "j2"}
    service = Service(roads, (200, {"jobs": [PAUSED, other]}), (200, {"jobs": [REFUSED, other]}))
    client = service.client()
    assert client.wait_all(["j1", "j2"])["j1"].state == "refused"
    with pytest.raises(UnknownStateError):
        client.wait_all(["j1", "j2"], raise_on_failure=True)
