"""What is shown on terminals of any width."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from given import START, a_job
from rich.console import Console

from cli import progress, watching
from contract.job import Failure, Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUED = replace(a_job("j1"), target_language="es", position=12, title="Short")
LONG = replace(
    a_job("j2"),
    target_language="pt-BR",
    state=State.RUNNING,
    stage="transcribe",
    progress=0.4,
    title="The whole of the annual meeting, with questions and answers " * 3,
    started_at=START,
)
RETRIED = replace(LONG, job_id="j3", attempt=2)
FAILED = replace(QUEUED, job_id="j4", state=State.ERROR, error=Failure(code="model_overloaded", message="busy"))
BAR = "━"


def drawn(width: int, *jobs: Job) -> list[str]:
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(watching.picture(jobs, "", console.width))
    return console.file.getvalue().splitlines()


def barred(width: int, *jobs: Job, height: int = 25, clock: Callable[[], float] = lambda: 0.0) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    bars = progress.Bars(console, clock)
    for job in jobs:
        bars.show(job)
    console.print(bars.picture())
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_the_table_keeps_states_whole_and_shortens_names(width: int) -> None:
    text = drawn(width, QUEUED, LONG, FAILED)
    assert "queued, 12 ahead" in text[1]
    assert "transcribe 40%" in text[2]
    assert "error: model_overloaded" in text[3]
    assert text[1].startswith("Short ")
    assert text[2].startswith("The whole of"[: (width - 24) // 2])
    assert "…" in text[2]
    assert max(map(len, text)) <= width


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_keeps_a_state_whole_that_is_long(width: int) -> None:
    text = drawn(width, RETRIED)
    assert "transcribe 40%, attempt 2 of 3" in text[1]
    assert "pt-BR" in text[1]
    assert "2/3" in text[1]


def test_the_table_drops_the_bar_first() -> None:
    assert BAR in drawn(100, LONG)[1]
    assert BAR not in drawn(99, LONG)[1]
    assert "pt-BR" in drawn(60, LONG)[1]


def test_one_job_is_one_job() -> None:
    assert drawn(80, LONG)[-1].startswith("1 job;")
    assert drawn(80, LONG, QUEUED)[-1].startswith("2 jobs;")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_a_wait_shows_where_each_job_stands_and_the_time(width: int) -> None:
    short, long = barred(width, QUEUED, LONG)
    assert "queued, 12 ahead" in short
    assert "transcribe 40%" in long
    assert "0:00:0" in long
    assert "…" in long
    assert (BAR in long) == (width >= 100)
    assert max(len(short), len(long)) <= width


def test_a_state_of_tomorrow_is_shown_as_it_is() -> None:
    paused = Job.from_wire(QUEUED.to_wire() | {"state": "paused", "done": False, "result": "pending"})
    assert "paused" in drawn(80, paused)[1]
    assert "paused" in barred(80, paused)[0]


def test_the_time_of_a_job_that_has_ended_stands_still() -> None:
    now_s = 0.0
    console = Console(file=StringIO(), width=80, height=25)
    bars = progress.Bars(console, lambda: now_s)
    bars.show(LONG)
    now_s = 5.0
    bars.show(replace(FAILED, job_id=LONG.job_id))
    now_s = 60.0
    bars.show(QUEUED)
    console.print(bars.picture())
    ended, queued = console.file.getvalue().splitlines()
    assert "0:00:05" in ended
    assert "0:00:00" in queued


def test_of_more_jobs_than_fit_the_running_are_seen_and_all_are_counted() -> None:
    queued = [replace(QUEUED, job_id=f"q{number}", title=None) for number in range(995)]
    running = [replace(LONG, job_id=f"r{number}", title=None) for number in range(4)]
    text = barred(80, *queued, *running, replace(FAILED, title="gone"), height=8)
    assert len(text) == 7
    assert [line.split()[0] for line in text[:4]] == ["r0", "r1", "r2", "r3"]
    assert text[-1].strip() == "1000 jobs: 995 queued, 4 running, 1 error"


def test_where_all_jobs_fit_none_is_counted() -> None:
    assert len(barred(80, *(replace(QUEUED, job_id=f"q{number}") for number in range(6)), height=8)) == 6
