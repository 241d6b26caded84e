"""Server-sent events: how a story is told to one reader, for as long as it takes."""

import socket
from collections.abc import Callable, Iterator
from math import ceil
from random import random
from typing import Final, Self, TypeAlias

import flask
import redis

from contract.backoff import Backoff
from contract.errors import JobNotFoundError
from store.feed import News
from store.hub import Signal, Waiter
from store.standing import Stands

from .stories import Story

SHORTEST_PING_S: Final = 1.0
LONGEST_PING_S: Final = 15.0
PINGS_PER_S: Final = 500
"""What all readers of a process together are worth: a few hundredths of a core."""
LOOK_AGAIN: Final = Backoff(first_s=1, cap_s=LONGEST_PING_S)
"""How long a look that has failed is put off, unless there is a reason to look before."""
SEND_BUFFER: Final = 65_536
"""Bytes that wait in the system for the reader of a stream, beyond the news that wait here; Linux takes it twice."""
EVENTS: Final = "text/event-stream"
RETRY: Final = b"retry: 1000\n\n"
"""How long a reader should wait, in milliseconds, before it comes back."""


Pace: TypeAlias = Callable[[], float]
"""After how many seconds of silence a reader is to be told that its line is still there, as things are now."""


def ping_s(readers: int) -> float:
    """Return the pace for so many readers in this process: the fewer there are, the sooner each notices a cut line."""
    return float(min(LONGEST_PING_S, max(SHORTEST_PING_S, ceil(readers / PINGS_PER_S))))


def ping(within_s: float) -> bytes:
    """Return the line that says that the reader's is there, and when the next one comes at the latest."""
    return b": ping %g\n" % within_s


class Body:
    """A body in `parts` for one reader, and what has to end with it. Who has it has to close it, even if unread."""

    __slots__ = ("_parts", "_waiter")

    def __init__(self, parts: Iterator[bytes], waiter: Waiter) -> None:
        self._parts, self._waiter = parts, waiter

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._parts)

    def close(self) -> None:
        """Give the waiter up."""
        self._waiter.leave()


def unfolding(parts: Iterator[bytes], waiter: Waiter, content_type: str) -> flask.Response:
    """Return an answer that takes its time."""
    line = flask.request.environ.get("gunicorn.socket")
    if line is not None:  # by itself the system keeps megabytes for a reader that does not read
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    # passed through: what Flask would wrap around the body costs every reader some kilobytes
    response = flask.Response(Body(parts, waiter), content_type=content_type, direct_passthrough=True)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def tell(
    waiter: Waiter,
    story: Story,
    beginning: bytes,
    *,
    is_behind: bool = False,
    pace: Pace,
    chance: Callable[[], float] = random,
    told: Callable[[News], object] = lambda _: None,
) -> Iterator[bytes]:
    """Yield the `beginning`, then what comes, with a comment after each silence, to the story's end.

    `told` is called with the news that were told as they came.

    While Redis is away there are no news; once it is back, what was missed is read. `is_behind`: the reader has to
    be told first what came before.
    """
    silence_s, failed = pace(), 0
    yield ping(silence_s) + beginning
    while not story.is_over:
        pause_s = min(silence_s, LOOK_AGAIN.pause_s(failed, chance())) if failed else silence_s
        word = Signal.LOOK if is_behind else waiter.next(pause_s)
        is_behind = False
        if word is Signal.END:
            yield RETRY
            return
        if word is Signal.SILENCE:
            silence_s = pace()  # what was said last has been kept until here
            yield ping(silence_s) + b"\n"
        try:
            if failed or word is Signal.LOOK or (isinstance(word, Stands) and story.misses(word)):
                yield from map(event, story.look())
            elif isinstance(word, News):
                for news in story.take(word):
                    yield event(news)
                    told(news)
            failed = 0
        except redis.RedisError:
            failed += 1
        except JobNotFoundError:  # its Redis has forgotten it: whoever asks again is told so
            return


def event(news: News) -> bytes:
    """Return a change as one event. Source: HTML Standard, section 9.2.6."""
    place = b"id: %s\n" % news.feed_id.encode() if news.feed_id else b""
    return b"%sdata: %s\n\n" % (place, news.document)
