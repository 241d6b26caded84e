"""Server-sent events: how a story is told to one reader, for as long as it takes."""

from collections.abc import Callable, Iterator
from random import random
from typing import Final, Self

import flask
import redis

from contract.backoff import Backoff
from contract.errors import JobNotFoundError
from store.feed import News
from store.hub import Signal, Waiter

from .stories import Story

PING_S: Final = 15.0
LOOK_AGAIN: Final = Backoff(first_s=1, cap_s=PING_S)
"""How long a look that has failed is put off, unless there is a reason to look before."""
RETRY: Final = b"retry: 1000\n\n"
"""How long a reader should wait, in milliseconds, before it comes back."""
PING: Final = b": ping\n\n"


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


def stream(parts: Iterator[bytes], waiter: Waiter) -> flask.Response:
    """Return the answer that goes on."""
    # passed through: what Flask would wrap around the body costs every reader some kilobytes
    response = flask.Response(Body(parts, waiter), content_type="text/event-stream", direct_passthrough=True)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def tell(
    waiter: Waiter,
    story: Story,
    beginning: bytes,
    *,
    is_behind: bool = False,
    ping_s: float = PING_S,
    chance: Callable[[], float] = random,
) -> Iterator[bytes]:
    """Yield the `beginning`, then what comes, with a comment after each `ping_s` without news, to the story's end.

    While Redis is away there are no news; once it is back, what was missed is read. `is_behind`: the reader has to
    be told first what came before.
    """
    yield beginning
    failed = 0
    while not story.is_over:
        word = Signal.LOOK if is_behind else waiter.next(LOOK_AGAIN.pause_s(failed, chance()) if failed else ping_s)
        is_behind = False
        if word is Signal.END:
            yield RETRY
            return
        if word is Signal.SILENCE:
            yield PING
        try:
            if failed or word is Signal.LOOK:
                yield from map(event, story.look())
            elif isinstance(word, News):
                yield from map(event, story.take(word))
            failed = 0
        except redis.RedisError:
            failed += 1
        except JobNotFoundError:  # its Redis has forgotten it: whoever asks again is told so
            return


def event(news: News) -> bytes:
    """Return a change as one event. Source: HTML Standard, section 9.2.6."""
    place = b"id: %s\n" % news.feed_id.encode() if news.feed_id else b""
    return b"%sdata: %s\n\n" % (place, news.document)
