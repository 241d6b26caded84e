"""Taking a turn at the sweep, beside whatever else a worker does."""

from redis.exceptions import RedisError

from store.sweep import Sweep
from store.sweeper import report

from .logs import Log


def take_turn(sweep: Sweep, log: Log) -> None:
    """Sweep, if it is our turn. What goes wrong with other jobs is no matter of who sweeps. Raises RedisError."""
    try:
        found = sweep.turn() or []
    except RedisError:
        raise
    except Exception:  # the sweep reads whatever Redis holds
        log.exception("sweep_broke")
        return
    report(log, found)
