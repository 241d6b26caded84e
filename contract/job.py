"""The job document: one frozen value, the same in HTTP answers, Redis messages, events and the client."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any, Final, Self

from .resume import token
from .states import ForeignState, ForeignWord, Result, State, word_of

STAGES: Final = ("fetch", "transcribe", "translate", "voice", "lipsync", "render")
"""What a translation passes through, in this order."""


class Priority(StrEnum):
    """How urgent the caller says the job is."""

    HIGH = "high"
    DEFAULT = "default"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a completed job's results are."""

    video_url: str
    captions_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job ended in `error`; `retryable` says whether the same submission may well succeed later."""

    code: str
    message: str
    stage: str | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """Seconds from now until the job is final, as quantiles of what the service expects."""

    p10_s: float
    p50_s: float
    p90_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job at one moment; `seq` (1, 2, 3… without gaps) says which. Times are aware, in UTC.

    A newer service may have states, results and priorities that this version does not know: they are `ForeignState` and
    `ForeignWord`, strings that go through all the same questions.
    """

    job_id: str
    client_id: str
    state: State | ForeignState
    seq: int
    stage: str | None = None
    progress: float = 0.0
    attempt: int = 1
    max_attempts: int = 3
    video_url: str
    title: str | None = None
    source_language: str | None = None
    target_language: str | None = None
    video_duration_s: float | None = None
    priority: Priority | ForeignWord = Priority.DEFAULT
    metadata: Mapping[str, Any] = field(default_factory=dict)
    callback_url: str | None = None
    engine: str | None = None
    output: Output | None = None
    error: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime
    position: int | None = None
    eta: Eta | None = None

    @property
    def done(self) -> bool:
        """Whether the job has reached a final state."""
        return self.state.is_final

    @property
    def result(self) -> Result | ForeignWord:
        """The single word of the status API: `pending`, or how the job ended."""
        return self.state.result

    @property
    def resume_token(self) -> str:
        """What another process can wait on with, wherever a `job_id` is asked for: short, without secrets."""
        return token(self.job_id)

    def to_wire(self) -> dict[str, Any]:
        """Return the document as JSON types, with `result` and `done` computed."""
        wire: dict[str, Any] = dict(zip(_NAMES, _values(self), strict=True))
        for name, write in _WRITERS.items():
            if (value := wire[name]) is not None:
                wire[name] = write(value)
        wire["result"], wire["done"] = self.result.value, self.done
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any], *, strict: bool = False) -> Self:
        """Read a document; fields that this version does not know are ignored, and words that it does not know kept.

        `strict` refuses such words, for whoever goes by the table of moves.
        Raises KeyError, TypeError or ValueError where the document is none, or has a time without an offset.
        """
        known = {name: wire[name] for name in _NAMES if name in wire}
        for name, read in _READERS.items():
            if (value := known.get(name)) is not None:
                known[name] = read(value)
        if known.get("state") is not None:
            known["state"] = _state(known["state"], wire)
        job = cls(**known)
        if strict and not (isinstance(job.state, State) and isinstance(job.priority, Priority)):
            raise ValueError(f"no state or priority of this version: {job.state}, {job.priority}")
        return job


@lru_cache(maxsize=4096)  # a document has the times of its job's beginning each time that it is written
def to_rfc3339(moment: datetime) -> str:
    """Write an aware time in UTC with milliseconds and `Z`. Source: RFC 3339."""
    there = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return there.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def aware(moment: datetime) -> datetime:
    """Return the same time. Raises ValueError if it has no offset from UTC."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset from UTC")
    return moment


def _moment(text: str) -> datetime:
    return aware(datetime.fromisoformat(text))


def _part_to_wire(part: Output | Failure | Eta) -> dict[str, Any]:
    return {each.name: getattr(part, each.name) for each in fields(part)}


def _part(kind: type[Output | Failure | Eta], wire: Mapping[str, Any]) -> Output | Failure | Eta:
    return kind(**{each.name: wire[each.name] for each in fields(kind) if each.name in wire})


def _state(word: Any, wire: Mapping[str, Any]) -> State | ForeignState:
    state = word_of(State, word)
    if isinstance(state, State):
        return state
    if not isinstance(wire["done"], bool):
        raise TypeError(f"done has to be true or false, not {wire['done']!r}")
    return ForeignState(state, wire["done"], word_of(Result, wire["result"]))


_NAMES: Final = tuple(each.name for each in fields(Job))
_values: Final = attrgetter(*_NAMES)
_TIMES: Final = ("created_at", "started_at", "finished_at", "updated_at")
_PARTS: Final = {"output": Output, "error": Failure, "eta": Eta}
# only what is no JSON of itself: each document is written and read many times
_WRITERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("state", "priority"), str),  # the word of an enum, known or foreign
    "metadata": dict,
    **dict.fromkeys(_TIMES, to_rfc3339),
    **dict.fromkeys(_PARTS, _part_to_wire),
}
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "priority": partial(word_of, Priority),
    **dict.fromkeys(_TIMES, _moment),
    **{name: partial(_part, kind) for name, kind in _PARTS.items()},
}
