"""Looking at the jobs of several clients together: newest first, and how many stand in each state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Final, Self, cast

from contract.errors import FieldProblem, InvalidFieldsError
from contract.ids import is_client_id
from contract.job import Job
from contract.states import State

from . import keys
from .ledger import Ledger
from .listing import CHUNK, MOST_LOOKED_AT, Cursor, Page, after
from .records import fetch

_BEYOND: Final = "!"
"""What follows a job_id so that it comes after it, and before every other."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The last job that was looked at, and whose it is: two clients may have made jobs of one name at once."""

    at: Cursor
    client_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` has written. Raises InvalidFieldsError."""
        cursor, _, client_id = text.rpartition(".")
        if not is_client_id(client_id):
            raise InvalidFieldsError([FieldProblem("cursor", "has to be a next_cursor of an earlier answer")])
        return cls(Cursor.parse(cursor), client_id)

    def __str__(self) -> str:
        return f"{self.at}.{self.client_id}"

    def within(self, client_id: str) -> Cursor:
        """Return the place in one client's list: of what was made with this very job, those of later names are told."""
        told = client_id >= self.client_id
        return self.at if told else Cursor(self.at.made_ms, self.at.job_id + _BEYOND)


class Overview:
    """The jobs of those clients that are named; who asks has to be allowed to see them."""

    def __init__(self, ledger: Ledger) -> None:
        self._redis, self._told = ledger.redis, ledger.outlook.told

    def page(
        self,
        client_ids: Sequence[str],
        *,
        state: State | None = None,
        fits: Callable[[Job], bool],
        limit: int,
        cursor: str | None = None,
    ) -> Page:
        """Return jobs that fit, newest first. A filter that fits few gets a short page, and a cursor to go on from.

        Raises InvalidFieldsError for a cursor that is none of ours.
        """
        place = Place.parse(cursor) if cursor is not None else None
        jobs: list[Job] = []
        looked_at = 0
        while True:
            wanted = min(CHUNK, limit - len(jobs) + 1)
            chunk = self._after(client_ids, state, place, wanted)
            records = fetch(self._redis, [keys.ref(each.client_id, each.at.job_id) for each in chunk])
            for each, record in zip(chunk, records, strict=True):
                if len(jobs) == limit or looked_at == MOST_LOOKED_AT:
                    return Page(jobs, str(place))
                place, looked_at = each, looked_at + 1
                # it may have moved on since the index was read
                if record is not None and state in (None, record.job.state) and fits(record.job):
                    jobs.append(self._told(record))
            if len(chunk) < wanted:
                return Page(jobs, None)

    def counts(self, client_ids: Sequence[str]) -> dict[State, int]:
        """Return how many jobs stand in each state."""
        with self._redis.pipeline(transaction=False) as pipe:
            for state in State:
                for client_id in client_ids:
                    pipe.zcard(keys.listing(client_id, state))
            found = iter(cast("list[int]", pipe.execute()))
        return {state: sum(islice(found, len(client_ids))) for state in State}

    def _after(self, client_ids: Sequence[str], state: State | None, place: Place | None, count: int) -> list[Place]:
        """Return the next `count` jobs of all these clients."""
        found = (
            [
                Place(each, client_id)
                for each in after(
                    self._redis,
                    keys.listing(client_id, state),
                    place.within(client_id) if place else None,
                    count,
                )
            ]
            for client_id in client_ids
        )
        return list(islice(merge(*found, reverse=True), count))
