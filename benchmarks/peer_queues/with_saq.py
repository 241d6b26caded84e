import asyncio
import os
from typing import Any

from saq import Queue

from benchmarks import deeds

queue = Queue.from_url(os.environ["DUBQ_REDIS_URL"])
COUNT = int(os.environ["PEER_COUNT"])


async def nothing(_: dict[str, Any]) -> None:
    deeds.nothing(COUNT)


settings = {"queue": queue, "functions": [nothing], "concurrency": 100}


async def fill() -> None:
    for _ in range(COUNT):
        await queue.enqueue("nothing")


if __name__ == "__main__":
    asyncio.run(fill())
