"""Two hundred random fault schedules, a hundred at once, each for a wait with lines of its own, on one service.

All at once they would show how slow this process is, which has both ends of all lines.

CHAOS_SEEDS=17 or =1000-1199 plays those instead; with --log-cli-level=info it says how many knew how soon.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest
from lines import close_all
from proxy import Proxy
from schedules import Kind, Schedule, schedule
from service import Service, eventually
from stage import OUTPUT, RETURN_S, Route, Works

from client import AsyncTranslationClient, TranslationClient
from client.quiet import QUIET_FACTOR
from contract.job import Failure
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schedules import Fault

    from contract.job import Job
    from store.runs import Run

_log = logging.getLogger(__name__)

SCHEDULES: Final = 200
AT_ONCE: Final = 100
BLOCKING: Final = 8
"""Every eighth wait is one of the blocking client."""
HANGS_S: Final = 45.0
TICK_S: Final = 0.02
FAILURE: Final = Failure(code="no_speech", message="nobody speaks", stage="transcribe", retryable=False)


@dataclass(slots=True)
class Played:
    """One wait: what was meant to happen, and what came of it. Times are the loop's."""

    plan: Schedule
    run: Run
    route: Route
    called_s: float = 0.0
    began_s: float = 0.0
    ended_s: float = 0.0
    knew_s: float = 0.0
    told: list[Job] = field(default_factory=list)
    done: Job | None = None

    @property
    def delay_s(self) -> float:
        return self.knew_s - max(self.ended_s, self.began_s + self.plan.clear_s)

    def options(self) -> dict[str, Any]:
        options = self.route.options() | {"roads": self.plan.roads}
        return options if self.plan.request_s is None else options | {"request_timeout": self.plan.request_s}


@dataclass(slots=True)
class Probe:
    """How long a look takes at worst, by a line to which nothing happens: with all that makes this machine slow."""

    took_s: list[float] = field(default_factory=lambda: [0.0])

    async def watch(self, line: Proxy) -> None:
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{line.port}") as session:
            while True:
                began_s = loop.time()
                try:
                    async with session.get("/jobs/nobody") as answer:
                        await answer.read()
                finally:  # the one that is under way counts, too
                    self.took_s.append(loop.time() - began_s)
                await asyncio.sleep(TICK_S)

    def allows_s(self, began: int) -> float:
        """Return how long a wait may take to know without having done anything wrong.

        Of the looks before the one with the number `began`, when no line was broken, waits have learned their patience.
        What was missed then takes two exchanges: a line that cannot be had, and a look.
        """
        return max(RETURN_S, QUIET_FACTOR * max(self.took_s)) + 2 * max(self.took_s[began:])


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service({"DUBQ_PUBLIC_REDIS_URL": "none"}) as running:  # who is to be told by it comes by a line
        running.start_valkey()
        running.start_api()
        yield running


def seeds() -> list[range]:
    """Return the seeds of the schedules, as many together as are played at once."""
    first, _, last = os.environ.get("CHAOS_SEEDS", f"0-{SCHEDULES - 1}").partition("-")
    wanted = range(int(first), int(last or first) + 1)
    return [wanted[at : at + AT_ONCE] for at in range(0, len(wanted), AT_ONCE)]


@pytest.mark.parametrize("wanted", seeds(), ids=lambda wanted: f"{wanted[0]}-{wanted[-1]}")
def test_whatever_happens_to_its_lines_a_wait_knows_the_right_end_in_time(service: Service, wanted: range) -> None:
    works = Works(service)
    all_played, allowed_s = asyncio.run(play_all(service, works, [schedule(seed) for seed in wanted]))
    late = [each for each in all_played if each.delay_s > allowed_s]
    assert not late, "\n".join(f"{each.delay_s:.2f} s of {allowed_s:.2f} s: {each.plan}" for each in late)
    for each in all_played:
        assert each.done == works.read(each.run.job.job_id), each.plan
        assert each.done.state is each.plan.end, each.plan
        seqs = [job.seq for job in each.told]
        assert seqs == sorted(set(seqs)), each.plan
        assert each.told[-1] == each.done, each.plan
    delays = sorted(each.delay_s for each in all_played)
    in_time = sum(delay_s <= RETURN_S for delay_s in delays)
    words = "%d of %d knew within %g s; the last one after %.1f s, where %.1f s are allowed on a machine so slow"
    _log.info(words, in_time, len(delays), RETURN_S, delays[-1], allowed_s)


async def play_all(service: Service, works: Works, plans: list[Schedule]) -> tuple[list[Played], float]:
    """Play them; return how long a wait may take to know on a machine that is as slow as this one was."""
    probe, unbroken = Probe(), Proxy(service.port)
    lines = [unbroken]
    with ThreadPoolExecutor(len(plans) + 1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        all_played = []
        for plan in plans:
            route = begin_route(service, plan)
            lines += route.lines
            all_played.append(Played(plan, works.begin(), route))
        try:
            async with asyncio.timeout(HANGS_S), asyncio.TaskGroup() as group:
                watching = group.create_task(probe.watch(unbroken))
                waiting = [group.create_task(wait(each)) for each in all_played]
                await asyncio.to_thread(eventually, lambda: all(each.told for each in all_played), HANGS_S)
                began = len(probe.took_s)
                for each in all_played:
                    each.began_s = asyncio.get_running_loop().time()
                    group.create_task(break_lines(each))
                group.create_task(asyncio.to_thread(work, all_played))
                await asyncio.gather(*waiting)
                watching.cancel()
        except TimeoutError:
            hung = [each.plan for each in all_played if each.done is None]
            raise AssertionError(f"{len(hung)} hang:\n" + "\n".join(map(str, hung))) from None
        finally:
            await close_all(lines)
    return all_played, probe.allows_s(began)


def begin_route(service: Service, plan: Schedule) -> Route:
    route = Route(Proxy(service.port), None)
    if plan.has_redis:
        route = Route(route.http, Proxy(service.folder / "s", mishaps=route.mishaps), route.mishaps)
    return route


async def wait(played: Played) -> None:
    played.called_s = time.monotonic()
    job_id, options = played.run.job.job_id, played.options()
    if played.plan.seed % BLOCKING:
        async with AsyncTranslationClient(**options) as client:
            waiting = client.wait(job_id, on_update=played.told.append, timeout=HANGS_S, raise_on_failure=False)
            played.done = await waiting
            played.knew_s = asyncio.get_running_loop().time()
    else:
        await asyncio.to_thread(wait_blocking, played)


def wait_blocking(played: Played) -> None:
    with TranslationClient(**played.options()) as client:
        played.done = client.wait(
            played.run.job.job_id, on_update=played.told.append, timeout=HANGS_S, raise_on_failure=False
        )
        played.knew_s = time.monotonic()


async def break_lines(played: Played) -> None:
    loop = asyncio.get_running_loop()
    for fault in played.plan.faults:
        loop.call_at(played.began_s + fault.at_s, strike, played.route, fault)
        loop.call_at(played.began_s + fault.until_s, relieve, played.route, fault)
    await asyncio.sleep(played.plan.clear_s)


def strike(route: Route, fault: Fault) -> None:
    line = route.http if fault.line == "http" else route.redis
    assert line is not None
    match fault.kind:
        case Kind.CUT:
            line.cut()
        case Kind.OUTAGE:
            line.refuse()
            line.cut()
        case Kind.STALL:
            line.pause()
        case Kind.BLACKHOLE:
            line.blackhole()
            line.pause()
        case Kind.HALF_CLOSED_CLIENT:
            line.half_close("client")
        case Kind.HALF_CLOSED_SERVER:
            line.half_close("server")
        case Kind.MANGLED:
            route.mishaps.drop = route.mishaps.duplicate = route.mishaps.reorder = 0.4


def relieve(route: Route, fault: Fault) -> None:
    line = route.http if fault.line == "http" else route.redis
    assert line is not None
    match fault.kind:
        case Kind.OUTAGE:
            line.accept()
        case Kind.STALL | Kind.BLACKHOLE:
            line.resume()
        case Kind.MANGLED:
            route.mishaps.drop = route.mishaps.duplicate = route.mishaps.reorder = 0.0
            line.cut()


def work(all_played: list[Played]) -> None:
    """Carry out the courses of all jobs, in one thread."""
    steps: list[tuple[float, Callable[[], object]]] = []
    for each in all_played:
        reports = [partial(each.run.advance, "voice", 0.5)] * len(each.plan.reports_s)
        steps += zip((each.began_s + at_s for at_s in each.plan.reports_s), reports, strict=True)
        steps.append((each.began_s + each.plan.ends_s, partial(end, each)))
    for at_s, step in sorted(steps, key=itemgetter(0)):
        time.sleep(max(0.0, at_s - time.monotonic()))
        step()


def end(played: Played) -> None:
    match played.plan.end:
        case State.ERROR:
            played.run.fail(FAILURE)
        case State.CANCELLED:
            played.run.cancel()
        case _:
            played.run.complete(OUTPUT)
    played.ended_s = time.monotonic()
