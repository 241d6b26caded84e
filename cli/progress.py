"""Progress as it comes in: a row per job on a terminal, a line per step elsewhere. Always on standard error."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Protocol

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from contract.job import Job
from contract.states import State

from .words import COLOURS, counts, name_of, standing

BAR: Final = 24
BAR_FROM: Final = 100
"""Columns that a terminal has to have for bars to be shown beside names and states."""

FRAMES_PER_S: Final = 8
SPARE_LINES: Final = 2
"""Lines of the terminal that rows leave free: for the count of all, and for the cursor."""


def short_name(name: str) -> Text:
    """Return a name for a column that may be made narrower: it stays on its line and ends in an ellipsis."""
    return Text(name, no_wrap=True, overflow="ellipsis")


class Display(Protocol):
    """Shows jobs as they change. Called from one thread at a time."""

    def show(self, job: Job) -> None:
        """Show a job as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job on the screen; it has been waited for from `began_s` on, and until `ended_s` if it has ended."""

    job: Job
    began_s: float
    ended_s: float | None = None

    @property
    def liveliness(self) -> int:
        """Who has more of it is rather seen."""
        return 0 if self.job.done else 2 if self.job.state is State.RUNNING else 1


def placed(rows: Sequence[Row], row: Row, room: int) -> list[Row]:
    """Return the rows, `room` at most, with this one among them if others are not livelier; nobody else moves."""
    job_ids = [each.job.job_id for each in rows]
    found = list(rows)
    if row.job.job_id in job_ids:
        found[job_ids.index(row.job.job_id)] = row
    elif len(rows) < room:
        found.append(row)
    elif rows:
        dullest = min(rows, key=lambda each: each.liveliness)
        if dullest.liveliness < row.liveliness:
            found[rows.index(dullest)] = row
    while len(found) > room:
        found.remove(min(found, key=lambda each: each.liveliness))
    return found


class Bars:
    """A row per job, as many as there is room for: those that change, and below them how many there are of which."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._rows: list[Row] = []
        self._began_s: dict[str, float] = {}
        self._states: dict[str, str] = {}

    def show(self, job: Job) -> None:
        """Move the job's bar."""
        now_s = self._clock()
        row = Row(job=job, began_s=self._began_s.setdefault(job.job_id, now_s))
        self._states[job.job_id] = job.state
        room = max(1, self._console.height - SPARE_LINES)
        # a new list: the thread that draws may be in the middle of the old one
        self._rows = placed(self._rows, replace(row, ended_s=now_s) if job.done else row, room)

    def picture(self) -> Group:
        """Return what is to be seen now; on a narrow terminal there are no bars, and names are cut short."""
        rows, now_s = self._rows, self._clock()
        table = Table.grid(padding=(0, 1))
        table.add_column()  # names alone give way where lines are too long
        for _ in range(2 + self._has_bars):
            table.add_column(no_wrap=True)
        for row in rows:
            table.add_row(*self._cells(row, now_s))
        states = list(self._states.values())
        return Group(table, *([Text(counts(states), style="dim")] if len(states) > len(rows) else []))

    @property
    def _has_bars(self) -> bool:
        return self._console.width >= BAR_FROM

    def _cells(self, row: Row, now_s: float) -> list[RenderableType]:
        elapsed = timedelta(seconds=int((row.ended_s or now_s) - row.began_s))
        return [
            short_name(name_of(row.job)),
            *([ProgressBar(total=1.0, completed=row.job.progress, width=BAR)] if self._has_bars else []),
            Text(standing(row.job), style=COLOURS.get(row.job.state, "white")),
            Text(str(elapsed), style="yellow"),
        ]


class Lines:
    """A line whenever a job enters another state, stage or attempt."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[Any, ...]] = {}

    def show(self, job: Job) -> None:
        """Write a line if there is something new to say."""
        step = (job.state, job.stage, job.attempt)
        if self._shown.get(job.job_id) != step:
            self._shown[job.job_id] = step
            click.echo(f"{name_of(job)}: {standing(job)}", err=True)


class Silence:
    """Nothing: how each of many jobs ends is said elsewhere, and the steps of all of them are nothing to read."""

    def show(self, job: Job) -> None:
        """Do nothing."""


@contextmanager
def display(otherwise: Display, *, as_json: bool) -> Iterator[Display]:
    """Open rows and bars where standard error leads to a terminal, on which no JSON is to appear; else the other."""
    console = Console(stderr=True)
    is_shared = sys.stdout.isatty()
    if not console.is_terminal or (is_shared and as_json):
        yield otherwise
        return
    found = Bars(console)
    # what goes elsewhere must go there; what goes to the same terminal has to pass by the rows
    with Live(
        console=console, get_renderable=found.picture, refresh_per_second=FRAMES_PER_S, redirect_stdout=is_shared
    ):
        yield found
