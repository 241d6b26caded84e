import os

from huey import RedisHuey

from benchmarks import deeds

queue = RedisHuey("bench", url=os.environ["DUBQ_REDIS_URL"], results=False)
COUNT = int(os.environ["PEER_COUNT"])


@queue.task()
def nothing() -> None:
    deeds.nothing(COUNT)


@queue.task()
def hold(number: int) -> None:
    deeds.hold(number)


if __name__ == "__main__":
    from benchmarks.peer_queues.with_huey import hold as long
    from benchmarks.peer_queues.with_huey import nothing as job

    for each in range(COUNT):
        long(each) if "PEER_HOLD" in os.environ else job()
