"""Progress as it comes in: a bar per job on a terminal, a line per step elsewhere. Always on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from contract.job import Job

from .words import COLOURS, name_of, standing


class Display(Protocol):
    """Shows jobs as they change. Called from one thread at a time."""

    def show(self, job: Job) -> None:
        """Show a job as it is now."""


class Bars:
    """A bar per job."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, job: Job) -> None:
        """Move the job's bar."""
        standing_now = f"[{COLOURS[job.state]}]{escape(standing(job))}[/]"
        if job.job_id not in self._tasks:
            name = escape(name_of(job))
            self._tasks[job.job_id] = self._progress.add_task(name, total=1.0, standing=standing_now)
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
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[standing]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bars(progress)
