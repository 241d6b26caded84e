import os

from celery import Celery

from benchmarks import deeds

queue = Celery("bench", broker=os.environ["DUBQ_REDIS_URL"])
queue.conf.update(task_ignore_result=True, worker_prefetch_multiplier=10)
COUNT = int(os.environ["PEER_COUNT"])


@queue.task(name="nothing")
def nothing() -> None:
    deeds.nothing(COUNT)


if __name__ == "__main__":
    for _ in range(COUNT):
        nothing.delay()
