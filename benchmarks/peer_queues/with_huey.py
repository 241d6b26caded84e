import os

from huey import RedisHuey

from benchmarks import deeds

queue = RedisHuey("bench", url=os.environ["DUBQ_REDIS_URL"], results=False)
COUNT = int(os.environ["PEER_COUNT"])


@queue.task()
def nothing() -> None:
    deeds.nothing(COUNT)


if __name__ == "__main__":
    from benchmarks.peer_queues.with_huey import nothing as job

    for _ in range(COUNT):
        job()
