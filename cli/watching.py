"""The live table of `dubq watch`."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from contract.backoff import Backoff
from contract.errors import ServiceUnavailableError
from contract.job import Job

from .progress import BAR, BAR_FROM, short_name
from .speech import Speech
from .words import COLOURS, counted, name_of, standing

REST_FROM: Final = 60
"""Columns that a terminal has to have for more than names and states."""

Look = Callable[[], Sequence[Job]]


def watch(look: Look, every_s: float, speech: Speech) -> None:
    """Show what `look` finds, again and again, until Ctrl-C. Raises what the first look raises."""
    console = Console()
    first = look()
    with suppress(KeyboardInterrupt):
        if console.is_terminal and not speech.as_json:
            _table(first, look, every_s, console)
        else:
            _lines(first, look, every_s, speech)


def _table(found: Sequence[Job], look: Look, every_s: float, console: Console) -> None:
    with Live(picture(found, "", console.width), console=console, auto_refresh=False) as live:

        def show(jobs: Sequence[Job] | None, trouble: str) -> None:
            nonlocal found
            found = found if jobs is None else jobs
            live.update(picture(found, trouble, console.width), refresh=True)

        _forever(look, every_s, show)


def _lines(found: Sequence[Job], look: Look, every_s: float, speech: Speech) -> None:
    known: dict[str, int] = {}

    def show(jobs: Sequence[Job] | None, trouble: str) -> None:
        if trouble:
            speech.note(trouble)
        for job in reversed(jobs or ()):
            if known.get(job.job_id) != job.seq:
                speech.result(job.to_wire(), f"{job.job_id} {standing(job)}")
        known.update({job.job_id: job.seq for job in jobs or ()})

    show(found, "")
    _forever(look, every_s, show)


def _forever(look: Look, every_s: float, show: Callable[[Sequence[Job] | None, str], None]) -> None:
    """Look at an even pace, and ever more seldom while the service is away."""
    away, backoff = 0, Backoff(first_s=max(1.0, every_s))
    while True:
        time.sleep(backoff.pause_s(away, 1.0) if away else every_s)
        try:
            jobs = look()
        except ServiceUnavailableError as error:
            away += 1
            show(None, f"{error}; trying again")
        else:
            away = 0
            show(jobs, "")


def picture(jobs: Sequence[Job], trouble: str, width: int) -> Group:
    """Return the table and the line below it; a narrow terminal gets fewer columns, and names cut short."""
    table = Table(box=None, pad_edge=False)
    table.add_column("JOB")  # this alone gives way where lines are too long
    table.add_column("STATE", no_wrap=True)
    bar, rest = width >= BAR_FROM, width >= REST_FROM
    for heading in (*[""] * bar, *["TO", "ATTEMPT"] * rest):
        table.add_column(heading, no_wrap=True)
    for job in jobs:
        cells: list[RenderableType] = [
            short_name(name_of(job)),
            Text(standing(job), style=COLOURS.get(job.state, "white")),
        ]
        if bar:
            cells.append(ProgressBar(total=1.0, completed=job.progress, width=BAR))
        if rest:
            cells += [job.target_language or "", f"{job.attempt}/{job.max_attempts}"]
        table.add_row(*cells)
    below = trouble or f"{counted(len(jobs), 'job')}; Ctrl-C ends this"
    return Group(table, Text(below, style="red" if trouble else "dim"))
