"""Waiting for several jobs, each on a road of its own: a thread each, whose news arrive in one place."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from contract.errors import DubqError
from contract.job import Job

Wait = Callable[[str, Callable[[Job], object]], Job]
"""Waits for a job by its id, tells of its changes, and returns it in its end, however that is."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A wait is over: with the finished job, or with what kept it from knowing the end."""

    job_id: str
    job: Job | None
    error: DubqError | None = None


def news_of(wait: Wait, job_ids: Sequence[str]) -> Iterator[Job | Ended]:
    """Yield the changes of jobs as they come in, and an Ended for each of them; then it is over."""
    news: SimpleQueue[Job | Ended | BaseException] = SimpleQueue()

    def follow(job_id: str) -> None:
        try:
            news.put(Ended(job_id, wait(job_id, news.put)))
        except DubqError as error:
            news.put(Ended(job_id, error.job, error))
        except BaseException as error:  # noqa: BLE001 - it is raised where the news are read
            news.put(error)

    for job_id in job_ids:
        # daemons: whoever stops reading closes the client, which ends their waits
        threading.Thread(target=follow, args=(job_id,), name=f"wait-{job_id}", daemon=True).start()
    left = len(job_ids)
    while left:
        found = news.get()
        if isinstance(found, BaseException):
            raise found
        left -= isinstance(found, Ended)
        yield found
