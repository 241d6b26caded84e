"""How many streams and held answers a client has open, in all API processes together.

Each process counts its own and says so in Redis, for as long as it lives: what a killed one had open is forgotten
within seconds, and what Redis has forgotten is said again.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import redis

from contract.limits import TooManyStreamsError, to_text

from . import keys

STREAMS: Final = (Path(__file__).parent / "streams.lua").read_text("utf-8")
THERE_S: Final = 5
"""So long a process counts as being there that has said nothing."""
BACK_S: Final = 1
"""When to come back where there was no room: others' ends are told within a second."""
SAID_AGAIN: Final = 3
"""With one of so many beats a process says everything again."""


class Streams:
    """Counts them. `process` names this process among all; `open_here` is how many each client has in it."""

    def __init__(
        self, connection: redis.Redis, process: str, open_here: Callable[[], Mapping[str, int]], most: int | None = None
    ) -> None:
        self._redis, self._process, self._open_here, self._most = connection, process, open_here, most
        self._script = connection.register_script(STREAMS)
        self._said: dict[str, int] = {}
        self._beats = 0

    def admit(self, client_id: str, count: int) -> None:
        """Let a client have one more, which with this one has `count` in this process. Raises TooManyStreamsError."""
        most: int | None = self._script(
            keys=[keys.streams(client_id), keys.limits(client_id)],
            args=[self._process, count, to_text(self._most), keys.api_process(""), THERE_S],
        )
        if most is not None:
            said = f"{most} of your streams and held answers may be open"
            raise TooManyStreamsError(said, most=most, retry_after_s=BACK_S)
        self._said[client_id] = count

    def beat(self) -> None:
        """Say that this process is there, and what has changed. To be called every second or so."""
        here = dict(self._open_here())
        again = self._beats % SAID_AGAIN == 0
        self._beats += 1
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(keys.api_process(self._process), "", ex=THERE_S)
            for client_id in here.keys() | self._said.keys():
                count = here.get(client_id, 0)
                if not count:
                    pipe.hdel(keys.streams(client_id), self._process)
                elif again or self._said.get(client_id) != count:
                    pipe.hset(keys.streams(client_id), self._process, count)
            pipe.execute()
        self._said = here
