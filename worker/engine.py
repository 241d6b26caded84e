"""What an engine has to be: the Protocol that every translation engine implements, and the words it uses.

An engine knows nothing of Redis, RQ, retries or leases. See docs/how-to/engine.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from contract.job import Job, Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What an engine is given: the job as its attempt began, and what only the service knows of it.

    `simulate` is the submission's wish for a simulated course; `number` counts the client's jobs from 1; `round`
    says how often this one was reset.
    """

    job: Job
    simulate: Mapping[str, Any] | None = None
    number: int = 0
    round: int = 0

    @property
    def attempt(self) -> int:
        """Which try this is; 1 is the first."""
        return self.job.attempt


class Control(Protocol):
    """An engine's way to talk with the service, and to hear that it should stop.

    No call blocks on Redis, and all of them raise StopAsked once the engine should stop. An engine makes one of
    them at least once a second, since that is how soon a cancelled job has to end.
    """

    def stage(self, name: str) -> None:
        """Say that a stage of contract.job.STAGES begins. Raises ValueError for any other name."""

    def progress(self, fraction: float) -> None:
        """Say how much of the whole job is done, all stages taken together.

        Values outside 0.0 to 1.0 are cut to it, falling ones are ignored, NaN raises ValueError. Call it as often
        as convenient: about one report a second goes out.
        """

    def wait(self, seconds: float) -> None:
        """Sleep, but wake at once and raise StopAsked when asked to stop."""

    def wake(self) -> None:
        """Let one `wait` return early, the present or the next; for another thread that knows why it should."""

    def rest(self, *, is_resting: bool) -> None:
        """Say that nothing is to be expected for now, so that silence is no stall; or that it is again."""

    def check(self) -> None:
        """Raise StopAsked if the engine should stop; else do nothing, cheaply."""


class Engine(Protocol):
    """Translates videos, one call per attempt."""

    def translate(self, task: Task, control: Control) -> Output:
        """Do the work and return where its results are.

        Raises EngineError to say that it cannot be done, and lets StopAsked pass. Any other exception is a crash:
        logged with its traceback, and tried again.
        """


class StopAsked(BaseException):
    """The engine should clean up and end: its job was cancelled, or given to another worker.

    No `Exception`, for the reason that asyncio.CancelledError is none: an engine's `except Exception` around a
    stage must not turn a cancelled job into a failed one. Catch it only to clean up, then raise it again.
    """


class EngineError(Exception):
    """The engine cannot do this job: at all, or (`retryable`) just now. The submitter reads `code` and `message`.

    `stage` is where it happened; None stands for the stage that was last reported.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False, stage: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.retryable, self.stage = code, message, retryable, stage
