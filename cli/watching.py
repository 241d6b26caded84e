"""What `dubq watch` shows: the newest jobs, told of their changes on one connection, and listed anew now and then."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from client import TranslationClient
from contract.backoff import Backoff
from contract.errors import DubqError, RateLimitedError, ServiceUnavailableError
from contract.job import Job

from .progress import BAR, BAR_FROM, short_name
from .speech import Speech
from .words import COLOURS, counted, name_of, standing

REST_FROM: Final = 60
"""Columns that a terminal has to have for more than names and states."""

FRAMES_PER_S: Final = 4
FOLLOW_S: Final = 86_400.0
MOST_WAITS: Final = 8
"""Each is a thread. What the last of them follows is gathered anew, with all that has come since, as it ends."""
GATHERED_S: Final = 10.0


class Following:
    """Follows jobs to their ends, all on the client's one connection; `news` has every change.

    Those that are new at the same time share a thread; where there are many of these, new ones wait some seconds until
    the last begins again with them, and meanwhile the lists alone tell of them. What keeps a wait from its end is not
    told: the next list is refused in the same way, or has the jobs that are to be followed again.
    """

    def __init__(self, client: TranslationClient) -> None:
        self.news: SimpleQueue[Job] = SimpleQueue()
        self._client = client
        self._waits: list[tuple[threading.Thread, set[str]]] = []  # and whose ends each has not seen yet

    def follow(self, jobs: Iterable[Job]) -> None:
        """Follow those of the jobs that have not ended and are not followed yet."""
        self._waits = [wait for wait in self._waits if wait[0].is_alive()]
        followed = set[str]().union(*(unseen for _, unseen in self._waits))
        fresh = {job.job_id for job in jobs if not job.done and job.job_id not in followed}
        if fresh and len(self._waits) < MOST_WAITS:
            patience_s = FOLLOW_S if len(self._waits) < MOST_WAITS - 1 else GATHERED_S
            # a daemon: whoever stops reading closes the client, which ends its wait
            thread = threading.Thread(
                target=self._wait, args=(tuple(fresh), fresh, patience_s), name="watch", daemon=True
            )
            self._waits.append((thread, fresh))
            thread.start()

    def _wait(self, job_ids: Sequence[str], unseen: set[str], patience_s: float) -> None:
        def note(job: Job) -> None:
            if job.done:
                unseen.discard(job.job_id)  # it may be reset, and is then followed anew
            self.news.put(job)

        with suppress(DubqError):
            self._client.wait_all(job_ids, on_update=note, timeout=patience_s)


class Watching:
    """The newest jobs: `jobs`, newest first, and what is in the way of knowing them: `trouble`, in words."""

    def __init__(self, client: TranslationClient, limit: int) -> None:
        self.jobs: tuple[Job, ...] = ()
        self.trouble = ""
        self._client, self._limit = client, limit
        self._following = Following(client)

    def look(self) -> list[Job]:
        """List the jobs; return those that are not as they were known, the oldest first."""
        known = {job.job_id: job for job in self.jobs}
        listed = tuple(islice(self._client.jobs(), self._limit))
        self.jobs = tuple(newer(known.get(job.job_id, job), job) for job in listed)
        self._following.follow(self.jobs)
        return [job for job in reversed(self.jobs) if is_change(known.get(job.job_id), job)]

    def changes(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> Iterator[Job | None]:
        """Yield each job that has changed, and None where there is trouble, for ever.

        The list is read every so many seconds, and ever more seldom while the service is away.
        """
        away, backoff = 0, Backoff(first_s=max(1.0, every_s))
        while True:
            yield from self._hear(clock() + (backoff.pause_s(away, 1.0) if away else every_s), clock)
            try:
                changed = self.look()
            except (ServiceUnavailableError, RateLimitedError) as error:
                away, self.trouble = away + 1, f"{error}; trying again"
                yield None
            else:
                away, self.trouble = 0, ""
                yield from changed

    def _hear(self, until_s: float, clock: Callable[[], float]) -> Iterator[Job]:
        """Yield what is news of the jobs until the time has come."""
        while (left_s := until_s - clock()) > 0:
            with suppress(Empty):
                told = self._following.news.get(timeout=left_s)
                known = next((job for job in self.jobs if job.job_id == told.job_id), None)
                if known and newer(known, told) is told:
                    self.jobs = tuple(told if job is known else job for job in self.jobs)
                    if is_change(known, told):
                        yield told


def newer(known: Job, found: Job) -> Job:
    """Return what was found, unless it is older: a list that was on its way while a message overtook it."""
    is_older = found.seq < known.seq and found.updated_at <= known.updated_at
    return known if is_older else found


def is_change(known: Job | None, found: Job) -> bool:
    """Whether there is more to tell than how many are ahead in the queue, which no change of the job tells."""
    return known is None or (known.seq, known.updated_at) != (found.seq, found.updated_at)


def watch(watching: Watching, every_s: float, speech: Speech) -> None:
    """Show the jobs until Ctrl-C. Raises what the first look raises."""
    console = Console()
    first = watching.look()
    if not console.is_terminal or speech.as_json:
        for job in chain(first, watching.changes(every_s)):
            if job is None:
                speech.note(watching.trouble)
            else:
                speech.result(job.to_wire(), f"{job.job_id} {standing(job)}")
        return

    def now() -> Group:
        return picture(watching.jobs, watching.trouble, console.width)

    with Live(console=console, get_renderable=now, refresh_per_second=FRAMES_PER_S):
        deque(watching.changes(every_s), maxlen=0)  # they are seen in the table, which a thread of its own draws


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
