"""The client of dubq: submit translation jobs, and be told how they end.

from client import TranslationClient

with TranslationClient("http://127.0.0.1:5000") as client:
    job = client.submit("https://example.com/talk.mp4", target_language="es")
    done = client.wait(job.job_id)
"""

from typing import TYPE_CHECKING, Any

from contract.errors import (
    AuthenticationError,
    DubqError,
    ForbiddenError,
    IllegalTransitionError,
    InvalidFieldsError,
    JobCancelledError,
    JobExistsError,
    JobFailedError,
    JobNotFoundError,
    RateLimitedError,
    RequestError,
    ResumeTokenError,
    ServiceUnavailableError,
    UnknownStateError,
    WaitTimeoutError,
)
from contract.job import Eta, Failure, Job, Output, Priority
from contract.states import ForeignState, ForeignWord, Result, State

from .ladder import Road
from .many import ManyTimeoutError, NotAllSubmittedError
from .metrics import Metrics
from .once import subscribe
from .patience import NoPushError
from .roads import ClientClosedError
from .summary import JobMetrics, Summary
from .sync import TranslationClient

if TYPE_CHECKING:
    from .aio import AsyncTranslationClient as AsyncTranslationClient

__all__ = [  # AsyncTranslationClient is there too, for those who have aiohttp
    "AuthenticationError",
    "ClientClosedError",
    "DubqError",
    "Eta",
    "Failure",
    "ForbiddenError",
    "ForeignState",
    "ForeignWord",
    "IllegalTransitionError",
    "InvalidFieldsError",
    "Job",
    "JobCancelledError",
    "JobExistsError",
    "JobFailedError",
    "JobMetrics",
    "JobNotFoundError",
    "ManyTimeoutError",
    "Metrics",
    "NoPushError",
    "NotAllSubmittedError",
    "Output",
    "Priority",
    "RateLimitedError",
    "RequestError",
    "Result",
    "ResumeTokenError",
    "Road",
    "ServiceUnavailableError",
    "State",
    "Summary",
    "TranslationClient",
    "UnknownStateError",
    "WaitTimeoutError",
    "subscribe",
]


def __getattr__(name: str) -> Any:
    """Import the asynchronous client, and aiohttp with it, only when it is asked for."""
    if name != "AsyncTranslationClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .aio import AsyncTranslationClient  # noqa: PLC0415

    return AsyncTranslationClient
