"""A job's states and the one table of legal moves; everything else about states is computed from it.

A newer service may have words that this version does not know. A reader takes them as they are: `ForeignWord`.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar


class ForeignWord(str):
    """A word that this version does not know, of a list that it does. It prints and compares as that word."""

    __slots__ = ()

    @property
    def value(self) -> str:
        """The word as a plain string, as any member of the list has it."""
        return str(self)


W = TypeVar("W", bound=StrEnum)


def word_of(known: type[W], word: Any) -> W | ForeignWord:
    """Return the member of a list of words, or the word itself. Raises TypeError for what is none."""
    if not isinstance(word, str):
        raise TypeError(f"{word!r} is no word for a {known.__name__}")
    try:
        return known(word)
    except ValueError:
        return ForeignWord(word)


class Result(StrEnum):
    """The word that the single-job status API has always used."""

    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    ERROR = "error"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether no move leads out of this state (a reset starts the job again instead)."""
        return not NEXT[self]

    @property
    def result(self) -> Result:
        """`pending` until the job is final, then the state's own word."""
        return Result(self.value) if self.is_final else Result.PENDING


class ForeignState(ForeignWord):
    """A state that this version does not know; `is_final` and `result` are what the job's document says of it."""

    __slots__ = ("is_final", "result")

    is_final: bool
    result: Result | ForeignWord

    def __new__(cls, word: str, is_final: bool, result: Result | ForeignWord) -> Self:  # noqa: D102, FBT001 - copied so
        self = super().__new__(cls, word)
        self.is_final, self.result = is_final, result
        return self

    def __getnewargs__(self) -> tuple[str, bool, Result | ForeignWord]:  # type: ignore[override]  # to copy and pickle
        return str(self), self.is_final, self.result


NEXT: Final[Mapping[State, AbstractSet[State]]] = MappingProxyType(
    {
        State.QUEUED: frozenset(
            {
                State.RUNNING,
                State.CANCELLED,
                State.ERROR,  # too long in the queue
            }
        ),
        State.RUNNING: frozenset(
            {
                State.RUNNING,  # progress
                State.QUEUED,  # retry, or its worker was lost or has to go
                State.COMPLETED,
                State.ERROR,
                State.CANCELLED,
            }
        ),
        State.COMPLETED: frozenset(),
        State.ERROR: frozenset(),
        State.CANCELLED: frozenset(),
    }
)


def diagram() -> str:
    """Return the table of moves as a Mermaid state diagram, for docs/architecture.md."""
    lines = ["stateDiagram-v2", "    [*] --> queued"]
    lines += [f"    {old} --> {new}" for old in State for new in State if new in NEXT[old]]
    lines += [f"    {state} --> [*]" for state in State if state.is_final]
    return "\n".join(lines) + "\n"
