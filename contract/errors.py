"""The tree of errors. `code` is an error's name on the wire and never changes; facts are attributes.

A class that has a `status` can be an HTTP answer; the client raises the same class again by its code (`revival`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .job import Job
    from .states import ForeignState, State


class DubqError(Exception):
    """Root of every error that dubq raises on purpose; `job_id` and `job` say of which job, and what is known of it.

    `retry_after_s` is when to come back, where that is known.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int | None] = None
    retryable: ClassVar[bool] = False
    retry_after_s: int | None = None

    def __init__(self, message: str = "", *, job_id: str | None = None, job: Job | None = None) -> None:
        """`job` is what was last known of the job that this is about, if anything was."""
        super().__init__(message or type(self).title)
        self.job_id = job_id or (job.job_id if job else None)
        self.job = job


class SettingsError(DubqError):
    """The environment does not describe a service that can run; `problems` has all that is wrong."""

    code = "bad_settings"
    title = "The settings are wrong"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class ResumeTokenError(DubqError, ValueError):
    """The resume token is of a version that this one does not know; the job that it names goes on."""

    code = "bad_resume_token"
    title = "The resume token cannot be read"


# Requests that are refused. Nothing was changed.


class RequestError(DubqError):
    """The service refused the request and changed nothing.

    If it was too much, `limit` names the limit, and `most` is what it allows.
    """

    status = 400
    code = "bad_request"
    title = "The request cannot be understood"
    limit: str | None = None
    most: int | None = None


class NotJsonError(RequestError):
    """The body is not JSON, or not a JSON object."""

    code = "not_json"
    title = "The body is not a JSON object"


class TokenInUrlError(RequestError):
    """A token was sent in the URL, where logs and histories keep it. It was not looked at; replace it."""

    code = "token_in_url"
    title = "A token does not belong into a URL: send it in the header Authorization"


class AuthenticationError(RequestError):
    """No token, or one that the service does not know."""

    status = 401
    code = "unauthenticated"
    title = "A valid token is needed"


class ForbiddenError(RequestError):
    """The token is good, but not for this."""

    status = 403
    code = "forbidden"
    title = "This token may not do that"


class JobNotFoundError(RequestError):
    """There is no such job for this caller: never made, expired, or somebody else's."""

    status = 404
    code = "job_not_found"
    title = "There is no such job"


class ClientNotFoundError(RequestError):
    """There is no such client: never made, or deleted."""

    status = 404
    code = "client_not_found"
    title = "There is no such client"


class DeliveryNotFoundError(RequestError):
    """The job has no such delivery, or not any more."""

    status = 404
    code = "delivery_not_found"
    title = "There is no such delivery"


class RouteNotFoundError(RequestError):
    """The service has nothing at this address."""

    status = 404
    code = "not_found"
    title = "There is nothing here"


class MethodNotAllowedError(RequestError):
    """The address exists, the method does not."""

    status = 405
    code = "method_not_allowed"
    title = "This method is not for this address"


class SlowBodyError(RequestError):
    """The body has not come in time; nothing was done, and the connection ends."""

    status = 408
    code = "body_too_slow"
    title = "The body has not come in time"
    retryable = True


class IllegalTransitionError(RequestError):
    """The job's state does not allow this step; nothing was changed."""

    status = 409
    code = "illegal_transition"
    title = "The job's state does not allow this"
    old: State | ForeignState | None = None
    new: State | None = None

    def __init__(self, job: Job, new: State) -> None:
        super().__init__(f"job {job.job_id} is {job.state} and cannot become {new}", job=job)
        self.old, self.new = job.state, new


class JobExistsError(RequestError):
    """The job_id or Idempotency-Key has been used for a different submission; that job is untouched."""

    status = 409
    code = "job_exists"
    title = "This job_id or Idempotency-Key belongs to another submission"


class ClientExistsError(RequestError):
    """There is such a client already, or there are still jobs of a deleted one of that name."""

    status = 409
    code = "client_exists"
    title = "This client_id is taken"


class BodyTooLargeError(RequestError):
    """The body is larger than the service reads, which is `most` bytes."""

    status = 413
    code = "body_too_large"
    title = "The body is too large"
    limit = "body_bytes"


class MediaTypeError(RequestError):
    """The body is not declared as JSON."""

    status = 415
    code = "unsupported_media_type"
    title = "The body has to be application/json"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing wrong with a request: where (a JSON pointer, RFC 6901, or a parameter's name) and what."""

    pointer: str
    message: str


class InvalidFieldsError(RequestError):
    """Fields or parameters are wrong; `errors` names each of them."""

    status = 422
    code = "invalid_fields"
    title = "A field is wrong"

    def __init__(self, errors: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{each.pointer or '/'}: {each.message}" for each in errors))
        self.errors = tuple(errors)


class RateLimitedError(RequestError):
    """One of the caller's own limits is reached (the others of `limits` are of this kind); `limit` says which."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    limit = "requests"
    retryable = True

    def __init__(
        self,
        message: str = "",
        *,
        most: int | None = None,
        retry_after_s: int | None = None,
        job_id: str | None = None,
        job: Job | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id, job=job)
        self.most, self.retry_after_s = most, retry_after_s


class InternalError(DubqError):
    """A fault of the service itself; its log has the details under the request's id."""

    status = 500
    code = "internal"
    title = "The service made a mistake"


class ServiceUnavailableError(DubqError):
    """The service, or the Redis behind it, cannot be reached just now; what it accepted is kept."""

    status = 503
    code = "unavailable"
    title = "The service cannot be reached just now"
    retryable = True


class StaleWriteError(DubqError):
    """Somebody else has moved the job since it was read; nothing was written."""

    code = "stale_write"
    title = "The job has moved on"


class BrokenRecordError(DubqError):
    """What Redis holds of a job cannot be read; it was left as it is."""

    code = "broken_record"
    title = "The job's record cannot be read"


# How a wait can end without a completed job.


class JobFailedError(DubqError):
    """The job ended in `error`; `job.error` says why."""

    code = "job_failed"
    title = "The job failed"


class JobCancelledError(DubqError):
    """The job was cancelled."""

    code = "job_cancelled"
    title = "The job was cancelled"


class UnknownStateError(DubqError):
    """The job ended in a state that this version of dubq does not know; `job.state` is its word for it."""

    code = "unknown_state"
    title = "The job ended in an unknown state"


class WaitTimeoutError(DubqError, TimeoutError):
    """The caller's patience ran out. The job itself goes on, and can be waited for again by its id."""

    code = "wait_timeout"
    title = "The wait timed out"
