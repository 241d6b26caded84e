import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks import deeds

dramatiq.set_broker(RedisBroker(url=os.environ["DUBQ_REDIS_URL"]))
COUNT = int(os.environ["PEER_COUNT"])


@dramatiq.actor
def nothing() -> None:
    deeds.nothing(COUNT)


if __name__ == "__main__":
    for _ in range(COUNT):
        nothing.send()
