"""The client of dubq: submit translation jobs, and be told how they end.

from client import TranslationClient

with TranslationClient("http://127.0.0.1:5000") as client:
    job = client.submit("https://example.com/talk.mp4", target_language="es")
    done = client.wait(job.job_id)

`wait` is told by the best `Road` there is, and asks where there is none. `AsyncTranslationClient` has the same methods,
awaited. It needs aiohttp, `webhooks` and `CallbackServer` need standardwebhooks: they are imported when asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from contract.delivery import Attempt, Delivery, DeliveryState
from contract.errors import (
    AuthenticationError,
    DeliveryNotFoundError,
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

from .batch import NotAllSubmittedError
from .ladder import Road
from .many import ManyTimeoutError
from .metrics import Metrics
from .once import subscribe
from .patience import NoPushError
from .roads import ClientClosedError
from .simulated import PlayedOutage, SimulatedClock, SimulatedOdds, Simulator
from .summary import JobMetrics, Summary
from .sync import TranslationClient

if TYPE_CHECKING:
    from . import webhooks as webhooks
    from .aio import AsyncTranslationClient as AsyncTranslationClient
    from .callbacks import CallbackServer as CallbackServer
    from .webhooks import WebhookEvent as WebhookEvent
    from .webhooks import WebhookPayloadError as WebhookPayloadError
    from .webhooks import WebhookVerificationError as WebhookVerificationError

_LATER: Final = {
    "AsyncTranslationClient": "aio",
    "CallbackServer": "callbacks",
    "WebhookEvent": "webhooks",
    "WebhookPayloadError": "webhooks",
    "WebhookVerificationError": "webhooks",
}
"""What needs a package that not everybody has, and where it is."""

__all__ = [  # for a star import, which imports no package that not everybody has: the others are asked for by name
    "Attempt",
    "AuthenticationError",
    "ClientClosedError",
    "Delivery",
    "DeliveryNotFoundError",
    "DeliveryState",
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
    "PlayedOutage",
    "Priority",
    "RateLimitedError",
    "RequestError",
    "Result",
    "ResumeTokenError",
    "Road",
    "ServiceUnavailableError",
    "SimulatedClock",
    "SimulatedOdds",
    "Simulator",
    "State",
    "Summary",
    "TranslationClient",
    "UnknownStateError",
    "WaitTimeoutError",
    "subscribe",
]


def __getattr__(name: str) -> Any:
    """Import what needs aiohttp or standardwebhooks only when it is asked for."""
    if name == "webhooks":
        return import_module(".webhooks", __name__)
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
