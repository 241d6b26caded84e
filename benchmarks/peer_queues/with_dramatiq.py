import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks import deeds

dramatiq.set_broker(RedisBroker(url=os.environ["DUBQ_REDIS_URL"]))
COUNT = int(os.environ["PEER_COUNT"])


@dramatiq.actor
def nothing() -> None:
    deeds.nothing(COUNT)


@dramatiq.actor
def hold(number: int) -> None:
    deeds.hold(number)


if __name__ == "__main__":
    for each in range(COUNT):
        hold.send(each) if "PEER_HOLD" in os.environ else nothing.send()
