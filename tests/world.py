"""A world for one run of one job: a Redis, a runner, an engine that follows a script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from given import Clock, a_job

from contract.job import Job, Output
from store import keys
from store.jobs import JobStore
from worker.engine import Control, Task
from worker.line import Chances
from worker.logs import Log
from worker.runner import Runner

if TYPE_CHECKING:
    import logging

    import pytest

    from store.ledger import Ledger

LOGGER = "tests.worker"
OUTPUT = Output(video_url="https://example.com/a.mp4", captions_url="https://example.com/a.vtt")
Script = Callable[[Task, Control], Output]


@dataclass
class World:
    """A Redis, a runner with a scripted engine, and two clocks that only the script moves."""

    ledger: Ledger
    utc: Clock
    log: logging.Logger
    monotonic_s: float = 0.0
    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], None] = lambda: None

    def submit(self, **fields: Any) -> None:
        JobStore(self.ledger).create(a_job("j1", **fields), fingerprint="f", simulate={"duration_s": 1})

    def run(self, script: Script) -> Job:
        """Deliver the job, and return it as it stands afterwards."""

        class Scripted:
            translate = staticmethod(script)

        chances = Chances(clock=lambda: self.monotonic_s, pause=self.pause, chance=lambda: 0.0)
        Runner(engine=Scripted(), log=Log(self.log), chances=chances).run("j1", self.ledger)
        return self.job()

    def job(self) -> Job:
        return JobStore(self.ledger).read("j1", "default")

    def feed(self) -> list[dict[bytes, bytes]]:
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", self.ledger.redis.xrange(keys.feed("default")))
        return [fields for _, fields in entries]

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.on_pause()

    def pass_s(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.utc.pass_s(seconds)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


def until_stopped(control: Control) -> Output:
    """Wait as an engine does in the middle of its work, for far longer than a test may take."""
    control.wait(600)
    return OUTPUT
