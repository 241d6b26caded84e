"""One heartbeat for all runs of a process: their leases are renewed together, and each hears what its own has said."""

from collections.abc import Callable

from redis.exceptions import RedisError

from store.ledger import Ledger
from store.presence import Presence
from store.runs import Beat, Run, beat_all

BATCH = 500


class Pulse:
    """Beats for the runs that have joined it. `beat` has to be called once a second."""

    def __init__(self, ledger: Ledger, presence: Presence) -> None:
        self._ledger, self._presence = ledger, presence
        self._joined: dict[Run, Callable[[Beat], None]] = {}

    def join(self, run: Run, hear: Callable[[Beat], None]) -> None:
        """Beat for a run, too, from now on."""
        self._joined[run] = hear

    def leave(self, run: Run) -> None:
        """Beat for it no more."""
        self._joined.pop(run, None)

    def beat(self) -> None:
        """Stay present, and renew all leases. Raises RedisError, once as many as could be were renewed."""
        self._presence.keep()
        runs, failed = list(self._joined), None
        for at in range(0, len(runs), BATCH):
            try:
                self._hear(runs[at : at + BATCH])
            except RedisError as error:
                failed = error
        if failed:
            raise failed

    def _hear(self, runs: list[Run]) -> None:
        for run, beat in zip(runs, beat_all(self._ledger, runs), strict=True):
            if run in self._joined:  # else it has ended meanwhile
                self._joined[run](beat)
