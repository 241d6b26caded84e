"""What happens to a wait's lines, fault by fault: it knows the right end, in time, by either face and either road.

The roads: a line to Redis beside the one to the API, or the API alone. No test here takes longer than its bound.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import pytest
from pushes import Mishaps
from service import Service, eventually, kill_tree
from stage import OUTPUT, RETURN_S, SLACK_S, Route, Works, noticed_s, polling_s, pushes_by_http

from client import Road, watch
from contract.backoff import Backoff
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faces import Face
    from lines import Lines

    from contract.job import Job
    from store.runs import Run

OUTAGE_S = 1.0


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Run Valkey and the API; whoever kills one of them starts it again."""
    with Service({"DUBQ_PUBLIC_REDIS_URL": "none"}) as running:
        running.start_valkey()
        running.start_api()
        yield running


@pytest.fixture(scope="module")
def works(service: Service) -> Works:
    return Works(service)


@pytest.fixture(params=["redis", "http"])
def route(request: pytest.FixtureRequest, service: Service, lines: Lines) -> Route:
    mishaps = Mishaps()
    redis = lines.to(service.folder / "s", mishaps=mishaps) if request.param == "redis" else None
    return Route(lines.to(service.port), redis, mishaps)


@pytest.fixture
def pushed_route(service: Service, lines: Lines) -> Route:
    mishaps = Mishaps()
    return Route(lines.to(service.port), lines.to(service.folder / "s", mishaps=mishaps), mishaps)


class Waiting:
    """One wait that is under way, and what it was told."""

    def __init__(self, face: Face, service: Service, route: Route, run: Run, **options: Any) -> None:
        self._is_pushed = route.redis is not None or pushes_by_http(service)
        self._client = face.connect(**route.options(), **options)
        self._pool = ThreadPoolExecutor(1)
        self.told: list[Job] = []
        self._began_s = self._knew_s = time.monotonic()
        self._done = self._pool.submit(self._wait, run.job.job_id)
        eventually(lambda: self.told)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._pool.shutdown()

    def ends(self, *, after_s: float, within_s: float = RETURN_S) -> Job:
        """Return the end, which has to be known `within_s` from `after_s` on; a road without push may poll first."""
        if not self._is_pushed:
            within_s = max(within_s, polling_s(time.monotonic() - self._began_s))
        done: Job = self._done.result(within_s + SLACK_S + 5)
        assert self._knew_s - after_s <= within_s + SLACK_S
        seqs = [job.seq for job in self.told]
        assert seqs == sorted(set(seqs))
        assert self.told[-1] == done
        return done

    def _wait(self, job_id: str) -> Any:
        done = self._client.wait(job_id, on_update=self.told.append, timeout=60)
        self._knew_s = time.monotonic()
        return done


def pass_s(seconds: float) -> float:
    """Let a fault last for so long; return the time."""
    until_s = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until_s)
    return time.monotonic()


def test_lines_that_are_reset_are_replaced(face: Face, service: Service, works: Works, route: Route) -> None:
    run = works.begin()
    with Waiting(face, service, route, run) as wait:
        for line in route.lines:
            line.cut()
        run.complete(OUTPUT)
        assert wait.ends(after_s=time.monotonic()).state is State.COMPLETED


@pytest.mark.parametrize("toward", ["client", "server"])
def test_lines_that_are_half_closed_are_replaced(
    face: Face, service: Service, works: Works, route: Route, toward: Any
) -> None:
    run = works.begin()
    with Waiting(face, service, route, run) as wait:
        for line in route.lines:
            line.half_close(toward)
        run.complete(OUTPUT)
        assert wait.ends(after_s=time.monotonic()).state is State.COMPLETED


def test_lines_that_refuse_everybody_for_a_second_end_no_wait(
    face: Face, service: Service, works: Works, route: Route
) -> None:
    run = works.begin()
    with Waiting(face, service, route, run) as wait:
        for line in route.lines:
            line.refuse()
            line.cut()
        run.complete(OUTPUT)
        returned_s = pass_s(OUTAGE_S)
        for line in route.lines:
            line.accept()
        assert wait.ends(after_s=returned_s, within_s=max(RETURN_S, polling_s(OUTAGE_S))).state is State.COMPLETED


def test_lines_that_stall_for_a_second_end_no_wait(face: Face, service: Service, works: Works, route: Route) -> None:
    run = works.begin()
    with Waiting(face, service, route, run) as wait:
        for line in route.lines:
            line.pause()
        run.complete(OUTPUT)
        returned_s = pass_s(OUTAGE_S)
        for line in route.lines:
            line.resume()
        assert wait.ends(after_s=returned_s).state is State.COMPLETED


def test_a_line_to_redis_that_is_gone_for_good_is_replaced_by_asking(
    face: Face, service: Service, works: Works, pushed_route: Route
) -> None:
    run = works.begin()
    with Waiting(face, service, pushed_route, run) as wait:
        assert pushed_route.redis is not None
        pushed_route.redis.refuse()
        pushed_route.redis.cut()
        pass_s(OUTAGE_S)
        run.complete(OUTPUT)
        ended_s = time.monotonic()
        assert wait.ends(after_s=ended_s, within_s=polling_s(OUTAGE_S)).state is State.COMPLETED


def test_a_pushed_end_is_known_at_once_while_the_api_cannot_be_reached(
    face: Face, service: Service, works: Works, pushed_route: Route
) -> None:
    run = works.begin()
    with Waiting(face, service, pushed_route, run) as wait:
        pushed_route.http.refuse()
        pushed_route.http.cut()
        run.complete(OUTPUT)
        assert wait.ends(after_s=time.monotonic(), within_s=0.0).state is State.COMPLETED


def test_a_line_to_redis_that_is_cut_without_a_word_is_noticed_by_its_silence(
    face: Face, service: Service, works: Works, pushed_route: Route
) -> None:
    run = works.begin()
    with Waiting(face, service, pushed_route, run) as wait:
        assert pushed_route.redis is not None
        pushed_route.redis.blackhole()
        run.complete(OUTPUT)
        assert wait.ends(after_s=time.monotonic(), within_s=noticed_s()).state is State.COMPLETED


@pytest.mark.parametrize("road", [Road.SSE, Road.LONG_POLL])
def test_a_line_to_the_api_that_is_cut_without_a_word_is_noticed_by_its_silence(
    face: Face, service: Service, works: Works, lines: Lines, road: Road
) -> None:
    run, route = works.begin(), Route(lines.to(service.port), None)
    with Waiting(face, service, route, run, roads=[road]) as wait:
        route.http.blackhole()
        run.complete(OUTPUT)
        assert wait.ends(after_s=time.monotonic()).state is State.COMPLETED


def test_messages_that_come_twice_or_in_the_wrong_order_are_told_once_and_in_order(
    face: Face, service: Service, works: Works, pushed_route: Route
) -> None:
    run = works.begin()
    with Waiting(face, service, pushed_route, run) as wait:
        pushed_route.mishaps.duplicate = pushed_route.mishaps.reorder = 1.0
        for tenth in range(1, 10):
            run.advance("voice", tenth / 10)
        run.complete(OUTPUT)
        assert wait.ends(after_s=time.monotonic(), within_s=0.0).state is State.COMPLETED


def test_an_end_after_lost_messages_is_the_end(face: Face, service: Service, works: Works, pushed_route: Route) -> None:
    run = works.begin()
    with Waiting(face, service, pushed_route, run) as wait:
        pushed_route.mishaps.drop = 1.0
        for tenth in range(1, 10):
            run.advance("voice", tenth / 10)
        eventually(lambda: pushed_route.mishaps.lost == 9)
        pushed_route.mishaps.drop = 0.0
        run.complete(OUTPUT)
        done = wait.ends(after_s=time.monotonic(), within_s=0.0)
        assert [job.seq for job in wait.told] == [2, done.seq]


def test_an_end_whose_message_is_lost_is_found_by_reading_again(
    face: Face, service: Service, works: Works, pushed_route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Backoff(first_s=1.0, factor=1.0, cap_s=1.0)
    monkeypatch.setattr(watch, "REREADS", again)
    run = works.begin()
    with Waiting(face, service, pushed_route, run) as wait:
        pushed_route.mishaps.drop = 1.0
        run.complete(OUTPUT)
        assert wait.ends(after_s=time.monotonic(), within_s=again.cap_s).state is State.COMPLETED


def test_a_redis_that_dies_in_mid_wait_and_comes_back_ends_no_wait(
    face: Face, service: Service, works: Works, route: Route
) -> None:
    run = works.begin()
    with Waiting(face, service, route, run) as wait:
        service.valkey.terminate()
        pass_s(OUTAGE_S)
        service.start_valkey()
        run.complete(OUTPUT)
        within_s = max(RETURN_S, polling_s(OUTAGE_S))
        assert wait.ends(after_s=time.monotonic(), within_s=within_s).state is State.COMPLETED


def test_an_api_that_is_killed_and_started_again_ends_no_wait(
    face: Face, service: Service, works: Works, lines: Lines, pushed_route: Route
) -> None:
    told, asking = works.begin(), works.begin()
    with (
        Waiting(face, service, pushed_route, told) as pushed,
        Waiting(face, service, Route(lines.to(service.port), None), asking) as wait,
    ):
        began_s = time.monotonic()
        assert service.api is not None
        kill_tree(service.api)
        asking.complete(OUTPUT)
        told.complete(OUTPUT)
        assert pushed.ends(after_s=time.monotonic(), within_s=0.0).state is State.COMPLETED
        service.start_api()
        returned_s = time.monotonic()
        within_s = max(RETURN_S, polling_s(returned_s - began_s))
        assert wait.ends(after_s=returned_s, within_s=within_s).state is State.COMPLETED
