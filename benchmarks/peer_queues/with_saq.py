import asyncio
import os
from typing import Any

from saq import Queue

from benchmarks import deeds

queue = Queue.from_url(os.environ["DUBQ_REDIS_URL"])
COUNT = int(os.environ["PEER_COUNT"])


async def nothing(_: dict[str, Any]) -> None:
    deeds.nothing(COUNT)


async def hold(_: dict[str, Any], *, number: int) -> None:
    deeds.note(deeds.HOLDING, number)
    await asyncio.sleep(deeds.HOLD_S)
    deeds.note(deeds.HELD, number)


settings = {"queue": queue, "functions": [nothing, hold], "concurrency": 100}


async def fill() -> None:
    for number in range(COUNT):
        await (queue.enqueue("hold", number=number) if "PEER_HOLD" in os.environ else queue.enqueue("nothing"))


if __name__ == "__main__":
    asyncio.run(fill())
