"""Tells a person of a job's end, by way of the library apprise, within the bounds that webhooks have."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import unquote

from contract import notice
from contract.addresses import NONE, Networks
from contract.delivery import Answer
from contract.job import Job
from contract.notice import Target
from contract.states import State

from .confined import Bounds, within

PACKAGE: Final = "apprise"
TYPES: Final = {State.COMPLETED: "success", State.ERROR: "failure", State.CANCELLED: "warning"}
SHORTEST_SECRET: Final = 4
"""Shorter parts of a URL are left where a reason repeats them: `com` hides in too many words."""


def is_installed() -> bool:
    """Whether the library is there; to import it takes seconds."""
    return find_spec(PACKAGE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Sends notifications by `schemes` alone. One may take `timeout_s`."""

    schemes: frozenset[str]
    allowed: Networks = NONE
    timeout_s: float = 15.0

    def send(self, target: Target | None, event: bytes) -> Answer:
        """Tell a target of what a webhook's body says, once, and say what came of it."""
        if target is None:
            return Answer(error="its client wants nobody told there any more", is_hopeless=True)
        if target.scheme not in self.schemes:
            return Answer(error=f"the operator does not allow {target.scheme}", is_hopeless=True)
        job = Job.from_wire(json.loads(event)["data"])
        library, bounds = load(), Bounds(allowed=self.allowed)
        with _heard() as words:
            try:
                told = within(bounds, self.timeout_s, lambda: _tell(library, target.url, job))
            except Exception as error:  # noqa: BLE001 - there are two hundred plugins, and the log of attempts says so
                words.append(f"{PACKAGE} has failed: {type(error).__name__}")
                told = False
        if bounds.is_over:
            return Answer(error=f"it was not told within {self.timeout_s:g} s")
        if told:
            return Answer()
        return Answer(error=bounds.refused or without(target.url, words[-1] if words else "it could not be told"))


@cache
def load() -> Any:
    """Return the library with all that it can do, which takes seconds; what it logs stays with us."""
    import apprise  # noqa: PLC0415 - few workers need it

    log = logging.getLogger(PACKAGE)
    log.propagate, log.handlers = False, [_Listener()]
    apprise.Apprise.instantiate("json://localhost")  # what it can do is imported at the first use
    return apprise


def _tell(library: Any, url: str, job: Job) -> bool:
    plugin = library.Apprise.instantiate(url)
    if plugin is None:
        return False
    kind = library.NotifyType(TYPES[State(job.state.value)])
    return bool(plugin.notify(title=notice.title(job), body=notice.body(job), notify_type=kind))


_words: Final[ContextVar[list[str] | None]] = ContextVar("words", default=None)


class _Listener(logging.Handler):
    """Hears why something could not be sent: the library says so to nobody else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a reason for whoever is sending just now."""
        words = _words.get()
        if words is not None:
            words.append(record.getMessage())


@contextmanager
def _heard() -> Iterator[list[str]]:
    words: list[str] = []
    mark = _words.set(words)
    try:
        yield words
    finally:
        _words.reset(mark)


def without(url: str, text: str) -> str:
    """Return `text` without the parts of a URL: they are secrets, and some reasons repeat them."""
    parts = {*re.split(r"[/?&=:@,#]+", url), *re.split(r"[/?&=:@,#]+", unquote(url)), url, unquote(url)}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            text = text.replace(part, "…")
    return text
