"""What one reader of a stream has been told already, and so what is news to it. Pure, but for what it is given to read.

Redis tells each change once and in order; a look reads what stands. Together they may tell a thing twice, never out of
order: a look is at least as new as everything that was told before it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from store.feed import START, News, place
from store.standing import Stands


class Story(Protocol):
    """What a stream tells."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to tell."""

    def take(self, news: News) -> Iterator[News]:
        """Yield what of a change that was heard is to be told."""

    def misses(self, stands: Stands) -> bool:
        """Whether the reader knows it otherwise than it stands."""

    def look(self) -> Iterator[News]:
        """Read what stands, and yield what of it is to be told. Raises what reading raises."""


class JobStory:
    """One job, up to its end. `look` reads the job as it is."""

    def __init__(self, look: Callable[[], News], seq: int, *, is_over: bool) -> None:
        self._look, self._seq, self._is_over = look, seq, is_over

    @property
    def is_over(self) -> bool:
        """Whether the reader knows the end."""
        return self._is_over

    def take(self, news: News) -> Iterator[News]:
        """Yield the change unless it is known."""
        if news.seq > self._seq:
            yield self._told(news)

    def misses(self, stands: Stands) -> bool:
        """Whether the job is not as the reader knows it, or is no more."""
        return stands.seq != self._seq

    def look(self) -> Iterator[News]:
        """Yield the job if it is not as the reader knows it.

        It may stand further back than what was told: a Redis that was killed may have lost its last second.
        """
        news = self._look()
        if news.seq != self._seq:
            yield self._told(news)

    def _told(self, news: News) -> News:
        self._seq, self._is_over = news.seq, news.done
        return news


class ClientStory:
    """All jobs of a client, for ever. `since` reads the feed after an id; `at` is where the reader stands in it."""

    is_over = False

    def __init__(self, since: Callable[[str], Iterable[News]], at: str) -> None:
        self._since, self._at = since, at

    def take(self, news: News) -> Iterator[News]:
        """Yield the change unless it is known."""
        if place(news.feed_id) > place(self._at):
            yield self._told(news)

    def misses(self, stands: Stands) -> bool:
        """Whether there is something after where the reader stands."""
        return place(stands.feed_id) > place(self._at)

    def look(self) -> Iterator[News]:
        """Yield all that came since."""
        return map(self._told, self._since(self._at))

    def _told(self, news: News) -> News:
        self._at = news.feed_id
        return news


class EveryStory:
    """All jobs of all clients, for ever. `since` reads a client's feed after an id, START being before all of it.

    `clients` are those that there are, and `at` is where the reader stands in the feed of each that was there before.
    """

    is_over = False

    def __init__(
        self,
        clients: Callable[[], Iterable[str]],
        since: Callable[[str, str], Iterable[News]],
        at: dict[str, str],
    ) -> None:
        self._clients, self._since, self._at = clients, since, at

    def take(self, news: News) -> Iterator[News]:
        """Yield the change unless it is known."""
        client_id = news.job.client_id
        if place(news.feed_id) > place(self._at.get(client_id, START)):
            yield self._told(client_id, news)

    def misses(self, _stands: Stands) -> bool:
        """Whether something may have been missed: of many clients there is no one place."""
        return True

    def look(self) -> Iterator[News]:
        """Yield all that came since."""
        for client_id in self._clients():
            for news in self._since(client_id, self._at.get(client_id, START)):
                yield self._told(client_id, news)

    def _told(self, client_id: str, news: News) -> News:
        self._at[client_id] = news.feed_id
        return news
