"""From the wire back to an error: the class by its code, the facts as attributes."""

from collections.abc import Iterator
from typing import Any

from . import limits  # noqa: F401 - where it is not imported, its errors are found by no code
from .errors import (
    DubqError,
    FieldProblem,
    InternalError,
    InvalidFieldsError,
    RequestError,
    ServiceUnavailableError,
)
from .job import Job


def by_code(code: str) -> type[DubqError] | None:
    """Return the class whose `code` this is, or None."""
    return next((each for each in _descendants(DubqError) if each.__dict__.get("code") == code), None)


def refusals() -> list[type[DubqError]]:
    """Return the classes that can be an HTTP answer, each once; what only a receiver of webhooks answers is none."""
    ours = (each for each in _descendants(DubqError) if each.__module__.startswith(f"{__package__}."))
    return [each for each in ours if each.status is not None]


def revive(problem: dict[str, Any], *, job_id: str | None, job: Job | None) -> DubqError:
    """Make the error again that a problem document (RFC 9457) speaks of.

    Codes that this version does not know become the RequestError or ServiceUnavailableError of their status.
    """
    kind = by_code(str(problem.get("code"))) or _by_status(int(problem.get("status", 500)))
    if kind is InvalidFieldsError:
        raw = problem.get("errors", [])
        error: DubqError = InvalidFieldsError(
            [FieldProblem(str(each["pointer"]), str(each["message"])) for each in raw]
        )
    else:
        error = kind.__new__(kind)
        DubqError.__init__(error, str(problem.get("detail") or kind.title))
    if isinstance(error, RequestError):
        _bounded(error, problem)
    error.job_id, error.job = job_id, job
    return error


def _bounded(error: RequestError, problem: dict[str, Any]) -> None:
    """Let the error say which limit it is about, if it is about one."""
    if problem.get("limit") is not None:
        error.limit = str(problem["limit"])
    if problem.get("most") is not None:
        error.most = int(problem["most"])
    if problem.get("retry_after_s") is not None:
        error.retry_after_s = int(problem["retry_after_s"])


def _by_status(status: int) -> type[DubqError]:
    """Return the most general class for an HTTP status from 400 on."""
    exact = (each for each in _descendants(DubqError) if each.status == status)
    return next(exact, RequestError if status < InternalError.status else ServiceUnavailableError)


def _descendants(kind: type[DubqError]) -> Iterator[type[DubqError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _descendants(child)
