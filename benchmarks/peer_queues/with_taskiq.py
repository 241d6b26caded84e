import asyncio
import os

from taskiq_redis import ListQueueBroker

from benchmarks import deeds

queue = ListQueueBroker(os.environ["DUBQ_REDIS_URL"])
COUNT = int(os.environ["PEER_COUNT"])


@queue.task(task_name="nothing")
async def nothing() -> None:
    deeds.nothing(COUNT)


@queue.task(task_name="hold")
async def hold(number: int) -> None:
    deeds.note(deeds.HOLDING, number)
    await asyncio.sleep(deeds.HOLD_S)
    deeds.note(deeds.HELD, number)


async def fill() -> None:
    await queue.startup()
    for number in range(COUNT):
        await (hold.kiq(number) if "PEER_HOLD" in os.environ else nothing.kiq())
    await queue.shutdown()


if __name__ == "__main__":
    asyncio.run(fill())
