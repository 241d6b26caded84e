"""What a job has gone through, as far as its client's feed still has it."""

from collections.abc import Iterator
from typing import Final

import redis

from contract.job import Job

from . import feed
from .records import Record, to_ms

EARLY_MS: Final = 10_000
"""The feed has Redis' clock, documents have ours, and hosts' clocks differ by less."""


def changes(connection: redis.Redis, record: Record) -> Iterator[Job]:
    """Yield the job after each of its changes that the feed still has, oldest first.

    It keeps some ten thousand changes of a client: `seq` tells what is missing. What is read begins where the job was
    made and ends where it stands now.
    """
    job = record.job
    if not record.feed_id:
        return
    began = f"{max(0, to_ms(job.created_at) - EARLY_MS)}-0"
    found = feed.of_job(connection, job.client_id, job.job_id, after=began, until=record.feed_id)
    yield from (news.job for news in found)
