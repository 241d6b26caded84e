"""The feed: every change of a client's jobs, in the order in which it happened; and the same as it is published."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self, cast

import redis

from contract.job import Job

from . import keys
from .records import Record

PAGE: Final = 1000
START: Final = "0-0"
"""The place before all entries."""
_MARK: Final = b',"feed_id":"'
_FEED_ID: Final = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


@dataclass(frozen=True, slots=True)
class News:
    """One change: its place in the feed ("": not known), and the job's document from then on, as JSON to hand on.

    `ended` is the time of the end that it tells of, as the document has it; None if it tells of none.
    """

    feed_id: str
    document: bytes
    job_id: str
    seq: int
    done: bool
    ended: str | None = None

    @property
    def finished_at(self) -> datetime | None:
        """When the job has ended, if it has."""
        return datetime.fromisoformat(self.ended) if self.ended else None

    @property
    def job(self) -> Job:
        """The document, read."""
        return Job.from_wire(json.loads(self.document), strict=True)

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return a job as it is now like the news that it once was."""
        job = record.job
        text = json.dumps(job.to_wire(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return cls(record.feed_id, text.encode(), job.job_id, job.seq, job.done)

    @classmethod
    def kept(cls, feed_id: str, document: bytes) -> Self:
        """Read an entry of the feed. Raises KeyError, TypeError or ValueError where it is none."""
        wire = json.loads(document)
        return cls(feed_id, document, wire["job_id"], wire["seq"], wire["done"], wire.get("finished_at"))

    @classmethod
    def heard(cls, payload: bytes) -> Self:
        """Read what was published: the document, and behind it its place in the feed and the request it comes from.

        Raises KeyError, TypeError or ValueError where it is no such thing.
        """
        document, mark, place = payload.rpartition(_MARK)
        if not mark:
            raise ValueError("there is no feed id")
        return cls.kept(place.partition(b'"')[0].decode("ascii"), document + b"}")


def place(feed_id: str) -> tuple[int, int]:
    """Return what orders feed ids: milliseconds, and the number among those of the same one.

    Raises ValueError if `feed_id` is none, or beyond what a clock can say.
    """
    match = _FEED_ID.fullmatch(feed_id)
    if match is None:
        raise ValueError("has to be the id of an entry in the feed, such as 1767225600000-0, or 0 for its start")
    return int(match[1]), int(match[2] or 0)


def read(
    connection: redis.Redis, client_id: str, *, after: str = START, until: str = "+", count: int = PAGE
) -> list[News]:
    """Return up to `count` changes that come after the entry `after`, up to and with the entry `until`."""
    rows = connection.xrange(keys.feed(client_id), min=f"({after}", max=until, count=count)
    return [News.kept(feed_id, document) for feed_id, document in _rows(rows)]


def since(connection: redis.Redis, client_id: str, after: str, *, until: str = "+") -> Iterator[News]:
    """Yield all changes after the entry `after`, up to and with `until`, reading a page at a time."""
    while found := read(connection, client_id, after=after, until=until):
        yield from found
        after = found[-1].feed_id


def of_job(
    connection: redis.Redis, client_id: str, job_id: str, *, after: str = START, until: str = "+"
) -> Iterator[News]:
    """Yield the changes of one job after the entry `after`; those of others are fetched, and not read."""
    named = f'"job_id":"{job_id}"'.encode()
    while rows := _rows(connection.xrange(keys.feed(client_id), min=f"({after}", max=until, count=PAGE)):
        found = (News.kept(feed_id, document) for feed_id, document in rows if named in document)
        yield from (news for news in found if news.job_id == job_id)  # others may have it in their metadata
        after = rows[-1][0]


def end(connection: redis.Redis, client_id: str) -> str:
    """Return the place of the newest change, START if there is none."""
    rows = _rows(connection.xrevrange(keys.feed(client_id), count=1))
    return rows[0][0] if rows else START


def keeps_all_after(connection: redis.Redis, client_id: str, feed_id: str) -> bool:
    """Whether nothing that came after the entry `feed_id`, or since the START, was dropped from the feed.

    It may say no where all is there, if that entry itself was dropped.
    """
    if place(feed_id) == place(START):
        return _was_never_cut(connection, client_id)
    rows = _rows(connection.xrange(keys.feed(client_id), count=1))
    return bool(rows) and place(rows[0][0]) <= place(feed_id)


def _was_never_cut(connection: redis.Redis, client_id: str) -> bool:
    """Whether the feed has every entry that it ever had. One that never began has."""
    with connection.pipeline() as pipe:
        pipe.exists(keys.feed(client_id))
        pipe.xinfo_stream(keys.feed(client_id))
        exists, found = pipe.execute(raise_on_error=False)
    if not exists:
        return True
    if isinstance(found, redis.RedisError):
        raise found
    return bool(found.get("entries-added") == found["length"])  # not told by a Redis before 7: who knows


def _rows(found: object) -> list[tuple[str, bytes]]:
    """Return the entries' ids and documents."""
    rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", found)
    return [(feed_id.decode(), values[b"job"]) for feed_id, values in rows]
