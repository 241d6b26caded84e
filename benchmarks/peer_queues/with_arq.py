import asyncio
import os
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings

from benchmarks import deeds

COUNT = int(os.environ["PEER_COUNT"])


async def nothing(_: dict[str, Any]) -> None:
    deeds.nothing(COUNT)


async def hold(_: dict[str, Any], number: int) -> None:
    deeds.note(deeds.HOLDING, number)
    await asyncio.sleep(deeds.HOLD_S)
    deeds.note(deeds.HELD, number)


class Worker:
    """How arq's worker is told what to do."""

    functions: ClassVar = [nothing, hold]
    redis_settings = RedisSettings.from_dsn(os.environ["DUBQ_REDIS_URL"])
    max_jobs = 100
    keep_result = 0
    poll_delay = 0.01


async def fill() -> None:
    pool = await create_pool(Worker.redis_settings)
    for number in range(COUNT):
        await pool.enqueue_job(*(("hold", number) if "PEER_HOLD" in os.environ else ("nothing",)))


if __name__ == "__main__":
    asyncio.run(fill())
