"""Walking through a client's jobs, newest first, page by page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self, cast

import redis

from contract.errors import FieldProblem, InvalidFieldsError
from contract.ids import is_job_id
from contract.job import Job

from . import keys
from .records import Record, fetch

CHUNK: Final = 200
MOST_LOOKED_AT: Final = 500
"""Jobs that one page looks at; a filter that fits few gets a short page and a cursor to go on from."""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The last job that was looked at: when it was made (ms), and its id among those of the same millisecond."""

    made_ms: int
    job_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` has written. Raises InvalidFieldsError."""
        made, _, job_id = text.partition(".")
        if not (made.isascii() and made.isdecimal() and len(made) <= len("9999999999999") and is_job_id(job_id)):
            raise InvalidFieldsError([FieldProblem("cursor", "has to be a next_cursor of an earlier answer")])
        return cls(int(made), job_id)

    def __str__(self) -> str:
        return f"{self.made_ms}.{self.job_id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, and the cursor of the next page unless this is the last."""

    jobs: list[Job]
    next_cursor: str | None


def scan(
    connection: redis.Redis,
    client_id: str,
    state: str | None,
    *,
    start: Cursor | None,
    limit: int,
    show: Callable[[Record], Job | None],
) -> Page:
    """Return up to `limit` of a client's jobs after `start`, as `show` gives them; None is what does not fit."""
    index = keys.listing(client_id, state)
    jobs: list[Job] = []
    looked_at = 0
    while True:
        # a full page and one more: what is not filtered costs no more than it shows
        wanted = min(CHUNK, limit - len(jobs) + 1)
        chunk = after(connection, index, start, wanted)
        for at, record in zip(
            chunk, fetch(connection, [keys.ref(client_id, each.job_id) for each in chunk]), strict=True
        ):
            if len(jobs) == limit or looked_at == MOST_LOOKED_AT:
                return Page(jobs, str(start))
            start, looked_at = at, looked_at + 1
            if record is not None and (job := show(record)):
                jobs.append(job)
        if len(chunk) < wanted:
            return Page(jobs, None)


def after(connection: redis.Redis, index: str, start: Cursor | None, count: int) -> list[Cursor]:
    """Return the next `count` entries of `index`, in falling order, that come after `start`."""
    highest = f"{start.made_ms}" if start else "+inf"
    found: list[Cursor] = []
    offset = 0
    while len(found) < count:
        rows = cast(
            "list[tuple[bytes, float]]",
            connection.zrevrangebyscore(index, highest, "-inf", start=offset, num=count + 1, withscores=True),
        )
        entries = (Cursor(int(made_ms), member.decode()) for member, made_ms in rows)
        # of those made in the same millisecond, the index gives the ones up to `start` again
        found += [each for each in entries if start is None or each < start]
        if len(rows) < count + 1:
            break
        offset += count + 1
    return found[:count]
