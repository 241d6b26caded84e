"""Word of a job's end for a person: whom a client has named for it, and what is said. Pure.

Where it goes is a URL as the library apprise has them, such as `slack://…`: it is a secret, all of it.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

from .job import Job
from .states import State

ENDS: Final = tuple(state for state in State if state.is_final)
MOST_TARGETS: Final = 10
"""So many a client may name: each is a message for each end."""
LONGEST_URL: Final = 2000
LONGEST_NAME: Final = 120
"""So much of a job's title, or of its video's URL, is repeated."""
_SCHEME: Final = re.compile(r"[a-z][a-z0-9]{0,31}")
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9]{0,31})://[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to tell: `on` are the ends that are worth it."""

    target_id: str
    url: str = field(repr=False)
    on: tuple[State, ...] = ENDS

    @property
    def scheme(self) -> str:
        """The word that says by what it is told."""
        return scheme_of(self.url)

    @property
    def shown(self) -> str:
        """What may be shown of the URL."""
        return f"{self.scheme}://…"

    def to_wire(self) -> dict[str, Any]:
        """Return what may be shown of it as JSON types."""
        return {"target_id": self.target_id, "scheme": self.scheme, "on": [state.value for state in self.on]}

    def encode(self) -> str:
        """Write all of it."""
        return json.dumps({"url": self.url, "on": self.on}, separators=(",", ":"))

    @classmethod
    def parse(cls, target_id: str, text: bytes) -> Self:
        """Read what `encode` has written; ends of a newer version are not told of by this one.

        Raises KeyError, TypeError or ValueError.
        """
        raw = json.loads(text)
        return cls(target_id=target_id, url=raw["url"], on=tuple(state for state in ENDS if state in raw["on"]))


def scheme_of(url: str) -> str:
    """Return the scheme of a URL. Raises ValueError if it is none, without repeating it."""
    match = _URL.fullmatch(url)
    if match is None or len(url) > LONGEST_URL:
        raise ValueError(f"has to be a URL such as slack://…, of visible ASCII characters, {LONGEST_URL} at most")
    return match[1].lower()


def parse_schemes(text: str) -> frozenset[str]:
    """Read `none`, or schemes with commas between them. Raises ValueError."""
    schemes = {each.strip().lower() for each in text.split(",")} - {"none"}
    if not all(map(_SCHEME.fullmatch, schemes)):
        raise ValueError("has to be none, or schemes of apprise such as mailtos,slack")
    return frozenset(schemes)


def title(job: Job) -> str:
    """Return the line that says it all, of a job that has ended."""
    name = " ".join((job.title or job.video_url).split())
    to = f" → {job.target_language}" if job.target_language else ""
    return f"{name[:LONGEST_NAME]}{to}: {job.state}"


def body(job: Job) -> str:
    """Return the lines that say the rest."""
    return "\n".join(_lines(job))


def _lines(job: Job) -> Iterable[str]:
    if job.error:
        at = f" (in {job.error.stage})" if job.error.stage else ""
        yield f"{job.error.code}{at}: {' '.join(job.error.message.split())}"
    if job.output:
        yield f"Video: {job.output.video_url}"
        yield f"Captions: {job.output.captions_url}"
    tries = "" if job.attempt == 1 else f", attempt {job.attempt} of {job.max_attempts}"
    yield f"Job {job.job_id}{tries}"
