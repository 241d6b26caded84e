"""A client's simulated world as a whole: what it takes to begin anew."""

from dataclasses import dataclass
from typing import cast

from contract.errors import IllegalTransitionError, JobNotFoundError

from . import keys
from .clocks import ClockStore
from .jobs import JobStore
from .ledger import Ledger
from .records import to_ms


@dataclass(frozen=True, slots=True)
class Ended:
    """How many jobs of a world were cancelled, or asked to stop, and how many had ended and will be forgotten."""

    cancelled: int
    forgotten: int


class WorldStore:
    """Resets worlds."""

    def __init__(self, ledger: Ledger, jobs: JobStore, clocks: ClockStore) -> None:
        self._ledger, self._redis = ledger, ledger.redis
        self._jobs, self._clocks = jobs, clocks

    def reset(self, client_id: str) -> Ended:
        """Cancel what is pending, have the sweep forget what has ended, and set clock, odds and numbering back.

        What is running stops within two seconds, and stays to be read as any job that was cancelled.
        """
        job_ids = [each.decode() for each in cast("list[bytes]", self._redis.zrange(keys.listing(client_id), 0, -1))]
        ended = sum(not self._cancel(job_id, client_id) for job_id in job_ids)
        if job_ids:
            # whoever is in no such index has not ended, and stays out of it
            refs = [keys.ref(client_id, job_id) for job_id in job_ids]
            self._redis.zadd(keys.FINISHED, dict.fromkeys(refs, to_ms(self._ledger.clock())), xx=True)
        self._redis.delete(keys.ordinal(client_id), keys.single(client_id), keys.odds(client_id))
        self._clocks.forget(client_id)
        return Ended(cancelled=len(job_ids) - ended, forgotten=ended)

    def _cancel(self, job_id: str, client_id: str) -> bool:
        """Cancel a job; False if it has ended already, or is gone."""
        try:
            if self._jobs.read(job_id, client_id).done:
                return False
            self._jobs.cancel(job_id, client_id)
        except (IllegalTransitionError, JobNotFoundError):  # in the meantime
            return False
        return True
