"""The live table of `dubq watch`."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from contract.backoff import Backoff
from contract.errors import ServiceUnavailableError
from contract.job import Job

from .speech import Speech
from .words import COLOURS, name_of, standing

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
    with Live(_picture(found, ""), console=console, auto_refresh=False) as live:

        def show(jobs: Sequence[Job] | None, trouble: str) -> None:
            nonlocal found
            found = found if jobs is None else jobs
            live.update(_picture(found, trouble), refresh=True)

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


def _picture(jobs: Sequence[Job], trouble: str) -> Group:
    table = Table(box=None, pad_edge=False)
    for heading in ("JOB", "STATE", "", "TO", "ATTEMPT"):
        table.add_column(heading, no_wrap=True)
    for job in jobs:
        state = Text(standing(job), style=COLOURS[job.state])
        bar = ProgressBar(total=1.0, completed=job.progress, width=24)
        table.add_row(Text(name_of(job)), state, bar, job.target_language or "", f"{job.attempt}/{job.max_attempts}")
    return Group(table, Text(trouble or f"{len(jobs)} jobs; Ctrl-C ends this", style="red" if trouble else "dim"))
