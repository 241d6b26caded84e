"""How an engine's run can end, and what that makes of the job: one pure function, `move_for`."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from contract.job import Failure, Output

from .engine import EngineError, StopAsked


class Stop(Enum):
    """Why an engine was asked to stop."""

    CANCELLED = "cancelled"
    """The job's owner wants it to end."""
    GONE = "gone"
    """The job is not this worker's any more: whatever it wrote now would be refused."""
    TIME_LIMIT = "time_limit"
    STAGE_TIME_LIMIT = "stage_time_limit"
    STALLED = "stalled"
    STOPPED = "stopped"
    """Whoever runs the service has stopped it, with RQ's own command."""
    HANDED_BACK = "handed_back"
    """This worker has to go, and another one shall do the job."""


OVER: Final = {
    Stop.TIME_LIMIT: "the job took longer than a job may",
    Stop.STAGE_TIME_LIMIT: "a stage took longer than it may",
    Stop.STALLED: "the job made no progress for far longer than is usual",
}
"""What the submitter reads where an engine was stopped for a limit."""


class Interrupted(StopAsked):
    """Raised in an engine's greenlet, wherever it waits, by a worker that can do so."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.value)
        self.stop = stop


@dataclass(frozen=True, slots=True)
class Delivered:
    """The engine has returned where its results are."""

    output: Output


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine has said that it cannot do this."""

    error: EngineError


@dataclass(frozen=True, slots=True)
class Crashed:
    """The engine has raised something that no engine should."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class TimedOut:
    """RQ has ended the engine, for the job has taken as long as a job may."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The engine has stopped because it was asked to."""


End = Delivered | Refused | Crashed | TimedOut | Stopped


@dataclass(frozen=True, slots=True)
class Complete:
    """Write the job as completed."""

    output: Output


@dataclass(frozen=True, slots=True)
class Fail:
    """Write the attempt as failed."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Cancel:
    """Write the job as cancelled."""


@dataclass(frozen=True, slots=True)
class HandBack:
    """Put the job back as it was before this attempt began."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Write nothing: the job is somebody else's."""


Move = Complete | Fail | Cancel | HandBack | Leave


def move_for(end: End, *, stop: Stop | None, stage: str | None) -> Move:
    """Return what to write after `end`, given why the engine was asked to stop (if it was) and its last stage.

    A request to stop outweighs how the engine then ended: a cancelled job stays cancelled, even if its engine did
    not listen and delivered. A limit that was broken is why the attempt failed, unless it has delivered all the same.
    """
    if stop is Stop.GONE:
        return Leave()
    if stop is Stop.CANCELLED:
        return Cancel()
    if stop is Stop.HANDED_BACK:
        return HandBack()
    if stop is Stop.STOPPED:
        return Fail(Failure(code="stopped", message="the job was stopped by an operator", stage=stage, retryable=False))
    if isinstance(end, Delivered):
        return Complete(end.output)
    return Fail(_failure(end, stage) if stop is None else _over_limit(stop, stage))


def _over_limit(stop: Stop, stage: str | None) -> Failure:
    return _passing(stop.value, OVER[stop], stage)


def _failure(end: Refused | Crashed | TimedOut | Stopped, stage: str | None) -> Failure:
    match end:
        case Refused(error):
            where = error.stage or stage
            return Failure(code=error.code, message=error.message, stage=where, retryable=error.retryable)
        case TimedOut():
            return _over_limit(Stop.TIME_LIMIT, stage)
        case Crashed(error):
            # the text of an unexpected exception is for the log: it may say what no submitter should read
            return _passing("engine_crashed", f"the engine crashed with {type(error).__name__}", stage)
        case Stopped():
            return _passing("engine_crashed", "the engine stopped without being asked to", stage)
        case _:
            assert_never(end)


def _passing(code: str, message: str, stage: str | None) -> Failure:
    return Failure(code=code, message=message, stage=stage, retryable=True)
