import asyncio
import os

from taskiq_redis import ListQueueBroker

from benchmarks import deeds

queue = ListQueueBroker(os.environ["DUBQ_REDIS_URL"])
COUNT = int(os.environ["PEER_COUNT"])


@queue.task(task_name="nothing")
async def nothing() -> None:
    deeds.nothing(COUNT)


async def fill() -> None:
    await queue.startup()
    for _ in range(COUNT):
        await nothing.kiq()
    await queue.shutdown()


if __name__ == "__main__":
    asyncio.run(fill())
