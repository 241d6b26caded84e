import os

from celery import Celery

from benchmarks import deeds

queue = Celery("bench", broker=os.environ["DUBQ_REDIS_URL"])
queue.conf.update(task_ignore_result=True, worker_prefetch_multiplier=10)
COUNT = int(os.environ["PEER_COUNT"])


@queue.task(name="nothing")
def nothing() -> None:
    deeds.nothing(COUNT)


@queue.task(name="hold")
def hold(number: int) -> None:
    deeds.hold(number)


if __name__ == "__main__":
    for each in range(COUNT):
        hold.delay(each) if "PEER_HOLD" in os.environ else nothing.delay()
