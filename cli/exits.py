"""How a command ends: the exit statuses that are promised, and the errors that are the command line's own."""

from enum import IntEnum

from contract.errors import (
    AuthenticationError,
    DubqError,
    ForbiddenError,
    InternalError,
    JobCancelledError,
    JobFailedError,
    RateLimitedError,
    ServiceUnavailableError,
    WaitTimeoutError,
)


class Exit(IntEnum):
    """The exit statuses."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    FORBIDDEN = 3
    TIMED_OUT = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


class StartError(DubqError):
    """The service could not be started; whatever had been started of it has been ended again."""

    code = "start_failed"
    title = "The service could not be started"


class TakenError(DubqError):
    """The port or the data folder that was asked for belongs to somebody else; nothing was started."""

    code = "taken"
    title = "The port or the data folder is in use"


class NotRunningError(DubqError):
    """There is no service here that `dubq up` has started."""

    code = "not_running"
    title = "No service is running"


class StoppedError(DubqError):
    """A signal came before the service was up; nothing is left of it."""

    code = "stopped"
    title = "Stopped before the service was up"


class BadValueError(DubqError):
    """Something that was given cannot be used; nobody was asked for anything."""

    code = "bad_value"
    title = "A value cannot be used"


_STATUS: dict[type[DubqError], Exit] = {
    JobFailedError: Exit.FAILED,
    JobCancelledError: Exit.FAILED,
    AuthenticationError: Exit.FORBIDDEN,
    ForbiddenError: Exit.FORBIDDEN,
    WaitTimeoutError: Exit.TIMED_OUT,
    ServiceUnavailableError: Exit.UNREACHABLE,
    RateLimitedError: Exit.UNREACHABLE,
    InternalError: Exit.UNREACHABLE,
    StartError: Exit.UNREACHABLE,
    NotRunningError: Exit.UNREACHABLE,
    StoppedError: Exit.INTERRUPTED,
}


def exit_of(error: DubqError) -> Exit:
    """Return the status to exit with; whatever the caller could have asked better is USAGE."""
    known = (status for kind, status in _STATUS.items() if isinstance(error, kind))
    return next(known, Exit.USAGE)
