"""One wait with a client made for it."""

from contract.job import Job

from .desk import OnUpdate
from .patience import REQUEST_TIMEOUT_S, TIMEOUT_S, OnTimeout
from .sync import TranslationClient


def subscribe(
    job_id: str,
    on_update: OnUpdate | None = None,
    timeout: float = TIMEOUT_S,
    *,
    url: str | None = None,
    token: str | None = None,
    redis_url: str | None = None,
    request_timeout: float = REQUEST_TIMEOUT_S,
    on_timeout: OnTimeout = "raise",
    raise_on_failure: bool = True,
    on_stall: OnUpdate | None = None,
) -> Job:
    """Wait for a job's end, pushed by Redis, with a client made for it; see TranslationClient."""
    with TranslationClient(url, token=token, redis_url=redis_url, request_timeout=request_timeout) as client:
        return client.subscribe(
            job_id, on_update, timeout, on_timeout=on_timeout, raise_on_failure=raise_on_failure, on_stall=on_stall
        )
