"""Every road of a wait on real parts, both faces: what it costs, how soon it knows, and that nothing of it stays."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from faces import FACES, Face
from service import Service, eventually

from client import JobFailedError, JobNotFoundError, NoPushError, Road, State, WaitTimeoutError
from client.http import Kind
from contract.job import Failure, Output
from store.ledger import Ledger
from store.runs import Run, RunStore
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO = "https://example.com/talk.mp4"
OUTPUT = Output(video_url="https://e.x/o", captions_url="https://e.x/c")

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Run an API and its Valkey; the tests are the workers."""
    with Service() as service:
        service.start_valkey()
        service.start_api()
        yield service


@pytest.fixture(params=FACES, ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    made: Face = request.param()
    yield made
    made.close()


def start(service: Service, job_id: str) -> Run:
    run = RunStore(Ledger(service.connection(), StoreSettings())).start(job_id)
    assert run
    return run


def time_out(client: Any, job_id: str, timeout_s: float) -> float:
    """Wait in vain; return how long that took."""
    began_s = time.monotonic()
    with pytest.raises(WaitTimeoutError):
        client.wait(job_id, timeout=timeout_s)
    return time.monotonic() - began_s


def later(act: Any, after_s: float = 0.3) -> threading.Timer:
    timer = threading.Timer(after_s, act)
    timer.start()
    return timer


ROADS = pytest.mark.parametrize("roads", [[Road.REDIS], [Road.SSE], [Road.LONG_POLL]], ids=lambda roads: roads[0].value)
COST = {Road.REDIS: {Kind.READ: 1}, Road.SSE: {Kind.EVENTS: 1}, Road.LONG_POLL: {Kind.LONG_POLL: 1}}


@ROADS
def test_a_road_knows_the_end_at_once_and_costs_one_request(service: Service, face: Face, roads: list[Road]) -> None:
    with face.connect(service.url, roads=roads) as client:
        job_id = client.submit(VIDEO).job_id
        run = start(service, job_id)
        timer = later(lambda: [run.advance("fetch", 0.1), run.advance("render", 0.9), run.complete(OUTPUT)])
        assert client.wait(job_id, timeout=30).state is State.COMPLETED
        timer.join()
        share = client.metrics.jobs[job_id]
        assert share.requests == 2
        assert share.knowing_delay_s < 0.25
        spent = client.metrics.requests_by_kind
        assert {kind: count for kind, count in spent.items() if kind not in {Kind.SUBMIT, Kind.CONNECT}} == COST[
            roads[0]
        ]


@ROADS
def test_who_wants_to_see_progress_is_told_every_change(service: Service, face: Face, roads: list[Road]) -> None:
    told: list[Any] = []
    with face.connect(service.url, roads=roads) as client:
        job_id = client.submit(VIDEO).job_id
        run = start(service, job_id)

        def work() -> None:
            for stage in ("fetch", "translate", "render"):
                seq = run.advance(stage, 0.5).seq
                eventually(lambda seq=seq: told and told[-1].seq == seq, 10)
            run.complete(OUTPUT)

        timer = later(work)
        client.wait(job_id, on_update=told.append, timeout=30)
        timer.join()
    assert [each.stage for each in told if each.stage] == ["fetch", "translate", "render"]
    assert [each.seq for each in told] == sorted({each.seq for each in told})
    assert told[-1].done


@ROADS
def test_a_job_that_ended_before_anybody_waited_is_known_at_once(
    service: Service, face: Face, roads: list[Road]
) -> None:
    with face.connect(service.url, roads=roads) as client:
        job_id = client.submit(VIDEO).job_id
        start(service, job_id).fail(Failure(code="no_speech", message="nobody speaks"))
        with pytest.raises(JobFailedError):
            client.wait(job_id, timeout=30)


@ROADS
def test_an_unknown_job_ends_a_wait_at_once(service: Service, face: Face, roads: list[Road]) -> None:
    with face.connect(service.url, roads=roads) as client, pytest.raises(JobNotFoundError):
        client.wait("no-such-job", timeout=30)


@ROADS
@pytest.mark.parametrize("timeout_s", [0.0, 0.7])
def test_a_timeout_is_kept_within_a_tenth_of_a_second(
    service: Service, face: Face, roads: list[Road], timeout_s: float
) -> None:
    with face.connect(service.url, roads=roads) as client:
        job_id = client.submit(VIDEO).job_id
        took = [time_out(client, job_id, timeout_s) for _ in range(3)]
    assert all(timeout_s <= each_s for each_s in took)
    assert min(took) <= timeout_s + 0.1  # not each: the machine may be busy with other tests


@ROADS
def test_nothing_is_at_work_after_a_timeout_that_did_not_go_with_its_client(
    service: Service, face: Face, roads: list[Road]
) -> None:
    with face.connect(service.url, roads=roads) as client:
        job_id = client.submit(VIDEO).job_id
        for _ in range(3):
            with pytest.raises(WaitTimeoutError):
                client.wait(job_id, timeout=0.3)
        left = face.at_work()
        assert [name for name in left if "listener" not in name] == []  # the line to Redis is kept for the next wait
    assert face.at_work() == []


@ROADS
def test_a_client_that_is_closed_in_mid_wait_leaves_nothing(service: Service, face: Face, roads: list[Road]) -> None:
    client = face.connect(service.url, roads=roads)
    job_id = client.submit(VIDEO).job_id
    run = start(service, job_id)
    timer = later(client.close)
    with pytest.raises(Exception, match=r"closed") as caught:  # the wait says that its client is
        client.wait(job_id, timeout=5 if roads == [Road.LONG_POLL] else 30)
    timer.join()
    run.complete(OUTPUT)
    assert caught.value.code == "client_closed"


def test_many_jobs_are_heard_of_on_one_stream(service: Service, face: Face) -> None:
    with face.connect(service.url, roads=[Road.SSE]) as client:
        jobs = client.submit_many([{"video_url": VIDEO} for _ in range(20)])
        other = client.submit(VIDEO)
        before = client.metrics.requests
        runs = [start(service, each.job_id) for each in [*jobs, other]]
        timer = later(lambda: [run.complete(OUTPUT) for run in reversed(runs)])
        ended = client.wait_all([each.job_id for each in jobs], timeout=30)
        timer.join()
        assert {each.state for each in ended.values()} == {State.COMPLETED}
        spent = client.metrics.requests_by_kind
        assert (spent[Kind.EVENTS], spent[Kind.READ_MANY]) == (1, 1)
        assert client.metrics.requests - before <= 3
        assert client.metrics.jobs[other.job_id].knowing_delay_s is None  # it was nobody's business


def test_a_subscriber_of_a_service_without_redis_is_told_so_and_a_wait_goes_on(face: Face) -> None:
    with Service({"DUBQ_PUBLIC_REDIS_URL": "none"}) as service:
        service.start_valkey()
        service.start_api()
        with face.connect(service.url) as client:
            job_id = client.submit(VIDEO).job_id
            with pytest.raises(NoPushError):
                client.subscribe(job_id, timeout=5)
            timer = later(lambda: start(service, job_id).complete(OUTPUT))
            assert client.wait(job_id, timeout=30).done
            timer.join()
            assert client.metrics.requests_by_kind[Kind.EVENTS] == 1


def test_an_api_that_is_started_again_in_mid_stream_is_found_again(face: Face) -> None:
    with Service() as service:
        service.start_valkey()
        service.start_api()
        with face.connect(service.url, roads=[Road.SSE]) as client:
            job_id = client.submit(VIDEO).job_id
            run = start(service, job_id)

            def restart() -> None:
                assert service.api
                service.api.kill()
                service.api.wait()
                run.complete(OUTPUT)
                service.start_api()
                returned.append(time.monotonic())

            returned: list[float] = []
            timer = later(restart)
            assert client.wait(job_id, timeout=30).done
            assert time.monotonic() - (returned[0] if returned else time.monotonic()) <= 2
            timer.join()
