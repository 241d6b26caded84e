"""A service, its roads and a clock for plans to be tried on: nothing happens but what a test says."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from client import http
from client.driver import drive, finish
from client.http import Answer
from client.ladder import Road
from client.patience import NoPushError, Push
from client.steps import Line, Listen, Pause, Reply, Send, Step, Subscribe, Tell, Warn
from client.waiting import Terms, wait
from contract.errors import (
    ServiceUnavailableError,
)
from contract.job import Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
AWAY: Answer[Any] = Answer(error=ServiceUnavailableError("away"), is_passing=True)
GONE: Answer[Any] = Answer(error=ServiceUnavailableError("gone"), is_passing=True, is_away=True)
SILENT: Answer[Any] = Answer(error=ServiceUnavailableError("silent"), is_passing=True, is_away=True, is_silent=True)
TRIED: dict[Line, Answer[Any]] = {
    Line.UP: Answer(),
    Line.BEHIND: Answer(),
    Line.DOWN: Answer(is_away=True),
    Line.NONE: Answer(error=NoPushError("no Redis here"), is_passing=True),
}


def job(state: State, seq: int, **fields: Any) -> Job:
    return Job(
        job_id=fields.pop("job_id", "j1"),
        client_id="default",
        state=state,
        seq=seq,
        video_url="https://example.com/a.mp4",
        created_at=BEGAN,
        updated_at=fields.pop("updated_at", BEGAN),
        **fields,
    )


QUEUED, RUNNING, COMPLETED = job(State.QUEUED, 1), job(State.RUNNING, 2), job(State.COMPLETED, 3)


class World:
    """A service, a Redis and a clock that moves only when somebody waits.

    `answers` are given in turn, the last one for ever. `pushes` are (time, news); news None is the loss of the line.
    `line_at` says how Redis is at a time when somebody subscribes, `events_at` how the service's events are. At the
    times of `quiet` the line should have said something. With `holds` the service holds answers that are to be held
    until a push; any other takes `took_s`, and is given up by whoever has not so much patience, as is each SILENT one.
    """

    def __init__(
        self,
        *answers: Answer[Any] | Job,
        pushes: list[tuple[float, Job | None]] | None = None,
        line_at: Callable[[float], Line] = lambda _: Line.UP,
        events_at: Callable[[float], Line] = lambda _: Line.NONE,
        holds: bool = False,
        took_s: float = 0.0,
        quiet: Collection[float] = (),
    ) -> None:
        self.answers = [each if isinstance(each, Answer) else Answer(value=each) for each in answers]
        self.pushes = deque(pushes or [])
        self.at = {Road.REDIS: line_at, Road.SSE: events_at}
        self.holds, self.took_s, self.quiet = holds, took_s, deque(sorted(quiet))
        self.now_s = 0.0
        self.steps: list[tuple[float, Step]] = []

    def __call__(self, step: Step) -> Reply:
        self.steps.append((self.now_s, step))
        match step:
            case Send():
                return self._send(step)
            case Subscribe(road):
                line = self.at[road](self.now_s)
                return Reply(at_s=self.now_s, line=line, answer=TRIED[line])
            case Listen(seconds):
                return self._listen(seconds)
            case Pause(seconds):
                self.now_s += seconds
            case Tell() | Warn():
                pass
        return Reply(at_s=self.now_s)

    def _send(self, step: Send[Any]) -> Reply:
        wish = step.request.headers.get("Prefer", "")
        if wish and self.holds:
            return self._hold(int(wish.partition("=")[2].partition(";")[0]), until_done="until=done" in wish)
        if self.took_s > step.quiet_s or self.answers[0] is SILENT:
            self.now_s += min(step.quiet_s, step.within_s)
            return Reply(at_s=self.now_s, answer=self.answers.pop(0) if self.answers[0] is SILENT else SILENT)
        self.now_s += min(self.took_s, step.within_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Reply(at_s=self.now_s, answer=answer)

    def _hold(self, hold_s: int, *, until_done: bool) -> Reply:
        until_s, seen = self.now_s + hold_s, None
        while self.pushes and self.pushes[0][0] <= until_s:
            self.now_s, seen = self.pushes.popleft()
            if seen and (seen.done or not until_done):
                return Reply(at_s=self.now_s, answer=Answer(value=seen, hold_s=55.0))
        self.now_s = until_s
        return Reply(at_s=self.now_s, answer=Answer(value=seen, hold_s=55.0))

    def _listen(self, seconds: float) -> Reply:
        if self.quiet and self.quiet[0] <= self.now_s + seconds:
            self.now_s = self.quiet.popleft()
            return Reply(at_s=self.now_s, line=Line.QUIET)
        if not self.pushes or self.pushes[0][0] > self.now_s + seconds:
            self.now_s += seconds
            return Reply(at_s=self.now_s, line=Line.UP)
        at_s, news = self.pushes.popleft()
        self.now_s = max(self.now_s, at_s)
        line = Line.DOWN if news is None else Line.UP
        return Reply(at_s=self.now_s, line=line, answer=Answer(value=news))

    def kinds(self) -> list[str]:
        return [type(step).__name__ for _, step in self.steps]

    def tried(self) -> list[tuple[float, Road]]:
        return [(at_s, step.road) for at_s, step in self.steps if isinstance(step, Subscribe)]

    def wishes(self) -> list[str | None]:
        return [step.request.headers.get("Prefer") for _, step in self.steps if isinstance(step, Send)]

    def times(self, kind: type) -> list[float]:
        return [at_s for at_s, step in self.steps if isinstance(step, kind)]

    def told(self) -> list[int]:
        return [step.job.seq for _, step in self.steps if isinstance(step, Tell)]


def run(world: World, push: Push, *, chance: float = 0.999_999, **terms: Any) -> Job:
    plan = wait(Terms(job_id=terms.pop("job_id", "j1"), push=push, **terms), world.now_s, lambda: chance)
    return finish(drive(plan, world), None)


@dataclass(eq=False)
class Waiting:
    """Somebody who waits for an answer."""

    step: Send[Any]


def look(job_id: str, within_s: float = 10.0, **fields: Any) -> Waiting:
    return Waiting(Send(request=http.read_job(job_id), within_s=within_s, **fields))
