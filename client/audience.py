"""Who hears what of a stream that many waits share. Pure.

A wait that is one of few has a stream of its own job's events, which begins with the job as it is and says no more than
is needed. Where there are many, they share one stream of all the caller's jobs: whatever their number is, it takes one
connection.
"""

import math
from typing import Any, Final

from .answers import document, job_of
from .http import Answer
from .steps import Line
from .switchboard import PACE_S, Mailbox, Signal

MOST_OWN: Final = 8
"""How many streams of a single job each a client has at once. What is beyond that, or about several jobs, is shared."""


class Audience:
    """The mailboxes of one stream; their channels are ids of jobs."""

    def __init__(self) -> None:
        self._mailboxes: dict[bytes, set[Mailbox]] = {}

    def admit(self, mailbox: Mailbox) -> None:
        """Let a mailbox hear of its jobs."""
        for job_id in mailbox.channels:
            self._mailboxes.setdefault(job_id, set()).add(mailbox)

    def dismiss(self, mailbox: Mailbox) -> None:
        """Let a mailbox hear no more."""
        for job_id in mailbox.channels:
            mailboxes = self._mailboxes.get(job_id, set())
            mailboxes.discard(mailbox)
            if not mailboxes:
                self._mailboxes.pop(job_id, None)

    @property
    def is_empty(self) -> bool:
        """Whether nobody listens."""
        return not self._mailboxes

    def hear(self, payload: bytes) -> None:
        """Hand an event to all who listen for its job, read once for all of them."""
        found = document(payload)
        mailboxes = self._mailboxes.get(str(found.get("job_id")).encode(), ())
        job = job_of(found) if mailboxes else None
        if job:
            for mailbox in mailboxes:
                mailbox.put(job)

    def tell_all(self, signal: Signal) -> None:
        """Hand on what the stream itself says."""
        for mailbox in {each for mailboxes in self._mailboxes.values() for each in mailboxes}:
            mailbox.put(signal)


class Attempts:
    """What has come of opening the shared stream: where that has just failed for somebody, it has failed for all."""

    def __init__(self) -> None:
        self._failed_s = -math.inf
        self._failure: tuple[Answer[Any], Line] = (Answer(is_passing=True), Line.DOWN)

    def spare(self, within_s: float, at_s: float) -> tuple[Answer[Any], Line] | None:
        """Return at once what came of the last attempt, if it is too early, or too late, for another one."""
        if within_s <= 0:
            return Answer(is_passing=True), Line.DOWN
        return self._failure if at_s < self._failed_s + PACE_S else None

    def note(self, answer: Answer[Any], line: Line, at_s: float) -> None:
        """Take note that it has failed; the error is for who has met it, and not passed on."""
        passing: Answer[Any] = Answer(is_passing=True, is_away=answer.is_away, retry_after_s=answer.retry_after_s)
        self._failed_s, self._failure = at_s, (passing, line)
