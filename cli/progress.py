"""Progress as it comes in: a bar per job on a terminal, a line per step elsewhere. Always on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from contract.job import Job

from .words import COLOURS, name_of, standing

BAR: Final = 24
BAR_FROM: Final = 100
"""Columns that a terminal has to have for bars to be shown beside names and states."""


def short_name(name: str) -> Text:
    """Return a name for a column that may be made narrower: it stays on its line and ends in an ellipsis."""
    return Text(name, no_wrap=True, overflow="ellipsis")


class Display(Protocol):
    """Shows jobs as they change. Called from one thread at a time."""

    def show(self, job: Job) -> None:
        """Show a job as it is now."""


class NameColumn(ProgressColumn):
    """The job's name, which alone gives way where the line is too long."""

    def render(self, task: Task) -> Text:
        """Return the name."""
        return short_name(task.description)


class Bars:
    """A bar per job."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, job: Job) -> None:
        """Move the job's bar."""
        standing_now = f"[{COLOURS.get(job.state, 'white')}]{escape(standing(job))}[/]"
        if job.job_id not in self._tasks:
            self._tasks[job.job_id] = self._progress.add_task(name_of(job), total=1.0, standing=standing_now)
        # a bar that is full stops its clock: only what is completed is full
        self._progress.update(self._tasks[job.job_id], completed=job.progress, standing=standing_now)
        if job.done:
            self._progress.stop_task(self._tasks[job.job_id])


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


@contextmanager
def display() -> Iterator[Display]:
    """Open the display that fits where standard error leads to."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    with bars(console) as progress:
        yield Bars(progress)


def bars(console: Console) -> Progress:
    """Return rich's display of the bars; on a narrow terminal there are none, and names are cut short."""
    rigid = Column(no_wrap=True)
    columns = [
        NameColumn(),
        *([BarColumn(bar_width=BAR, table_column=rigid.copy())] if console.width >= BAR_FROM else []),
        TextColumn("{task.fields[standing]}"),
        TimeElapsedColumn(table_column=rigid.copy()),
    ]
    return Progress(*columns, console=console)
