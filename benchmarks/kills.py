"""A worker killed in the middle of twenty jobs and started again: how many come back, and how soon all have ended."""

from time import sleep
from typing import Final

from contract.job import Job
from contract.states import State
from store import keys
from store.ledger import Ledger, New
from store.records import now_utc
from store.settings import StoreSettings

from . import deeds, peers
from .figures import Load, bar, table, title
from .house import PRELOADING, House, house, kill, stock_workers, until
from .workers import CONCURRENT, open_house

COUNT: Final = 20
STOCK: Final = 10
"""How many of RQ's own workers share them: each has one job at a time."""
BAR_S: Final = 8.0
WITHIN_S: Final = 60.0


def run() -> bool:
    load = Load()
    with house(workers=0) as home:
        ours = {
            "ConcurrentWorker": _killed(home, CONCURRENT, 1),
            f"rq worker, {STOCK} of them": _killed(home, PRELOADING, STOCK),
        }
    with open_house() as home:
        others = peers.killed(home.redis_url, COUNT, WITHIN_S)
    busy = load.words()
    title(f"{COUNT} jobs of {deeds.HOLD_S:g} s, all workers killed in the middle and started again")
    table(
        ("worker", f"ended within {WITHIN_S:g} s", "the last after"),
        [(name, f"{ended} of {COUNT}", f"{last_s:.1f} s") for name, (ended, last_s) in {**ours, **others}.items()],
    )
    print(busy)
    if not others:
        print(f"no peers: {peers.ADVICE}")
    return all(
        bar(f"all within {BAR_S:g} s by {name}", is_met=ended == COUNT and last_s <= BAR_S)
        for name, (ended, last_s) in ours.items()
    )


def _killed(home: House, options: tuple[str, ...], workers: int) -> tuple[int, float]:
    ledger, at = Ledger(home.redis, StoreSettings()), now_utc()
    fields = {"client_id": "bench", "video_url": "https://example.com/talk.mp4", "state": State.QUEUED}
    ids = [f"k{at.timestamp():.0f}-{workers}-{number}" for number in range(COUNT)]
    before = home.redis.zcard(keys.FINISHED)
    ledger.create_many(
        New(Job(job_id=job_id, seq=1, created_at=at, updated_at=at, **fields), job_id, {"duration_s": deeds.HOLD_S})
        for job_id in ids
    )
    with stock_workers(home, workers, *options) as killed:
        busy = min(COUNT, COUNT if options is CONCURRENT else workers)
        until(lambda: home.redis.zcard(keys.RUNNING), lambda found: found == busy, within_s=WITHIN_S)
        sleep(deeds.HOLD_S / 2)
        kill(killed)
        return peers.ended_within(
            lambda: int(home.redis.zcard(keys.FINISHED) - before),
            COUNT,
            WITHIN_S,
            lambda: stock_workers(home, workers, *options),
        )
