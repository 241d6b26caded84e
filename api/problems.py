"""Every error becomes a problem document (RFC 9457), whatever raised it."""

from typing import Annotated, Any, Final, NotRequired

import flask
import redis
import structlog
from pydantic import Field, ValidationError
from typing_extensions import TypedDict
from werkzeug.exceptions import HTTPException

from contract.errors import (
    AuthenticationError,
    BodyTooLargeError,
    DubqError,
    FieldProblem,
    InternalError,
    InvalidFieldsError,
    MediaTypeError,
    MethodNotAllowedError,
    RateLimitedError,
    RequestError,
    RouteNotFoundError,
    ServiceUnavailableError,
    StaleWriteError,
)
from contract.revival import refusals

from .quotas import tell_refusal

RETRY_AFTER_S: Final = 1
MAX_ERRORS: Final = 50
MAX_POINTER: Final = 200

_BY_STATUS: Final[dict[int, type[RequestError]]] = {
    each.status: each
    for each in (RouteNotFoundError, MethodNotAllowedError, BodyTooLargeError, MediaTypeError)
    if each.status
}
_WORDS: Final = {
    "missing": "is needed",
    "extra_forbidden": "there is no such field",
    "value_error": "{error}",
    "string_type": "has to be a string",
    "string_too_short": "has to be {min_length} character at least",
    "string_too_long": "has to be {max_length} characters at most",
    "float_type": "has to be a number",
    "int_type": "has to be a whole number",
    "int_from_float": "has to be a whole number",
    "greater_than_equal": "has to be at least {ge:g}",
    "less_than_equal": "has to be at most {le:g}",
    "enum": "has to be {expected}",
    "literal_error": "has to be {expected}",
    "dict_type": "has to be an object",
    "model_type": "has to be an object",
}
"""What pydantic says in its own terms, by its types of errors."""

_LANGUAGE: Final = "has to be a language tag, such as es or pt-BR"
_FORMS: Final = {
    "source_language": _LANGUAGE,
    "target_language": _LANGUAGE,
    "client_id": "has to be 1 to 32 of a-z 0-9 -, and may not begin with -",
    "job_id": "has to be 1 to 64 of A-Z a-z 0-9 _ -",
    "error_code": "has to be 1 to 64 of a-z 0-9 _",
    "title": "may not contain control characters",
}
"""What it says in patterns, by the field."""

log = structlog.get_logger()


class Wrong(TypedDict):
    """One thing that is wrong: where (a JSON pointer, or the name of a parameter or header) and what."""

    pointer: str
    message: str


class Problem(TypedDict):
    """A refusal, as RFC 9457 has it. Readers go by `code`."""

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: Annotated[str, Field(json_schema_extra={"enum": sorted({each.code for each in refusals()})})]
    request_id: str
    retryable: Annotated[bool, Field(description="Whether the very same request may well succeed later.")]
    job_id: NotRequired[str]
    limit: NotRequired[Annotated[str, Field(description="Which of the caller's limits was reached.")]]
    most: NotRequired[int | None]
    retry_after_s: NotRequired[float]
    errors: NotRequired[Annotated[list[Wrong], Field(description="With the code `invalid_fields`: all that is wrong.")]]
    error: NotRequired[Annotated[str, Field(description="Of `POST /start-timer`: the text that its callers know.")]]
    redis: NotRequired[Annotated[bool, Field(description="Of `GET /readyz`: whether Redis can be reached.")]]
    workers: NotRequired[Annotated[int | None, Field(description="Of `GET /readyz`: how many listen; null: unknown.")]]
    checks: NotRequired[Annotated[dict[str, Any], Field(description="Of `GET /readyz`: what was found.")]]


def mount(app: flask.Flask) -> None:
    """Answer everything that a request can raise with a problem document."""
    app.register_error_handler(DubqError, _refuse)
    app.register_error_handler(HTTPException, _refuse_http)
    app.register_error_handler(redis.RedisError, _redis_away)
    app.register_error_handler(Exception, _fault)


def problem(error: DubqError, /, **more: Any) -> flask.Response:
    """Return the answer to a request that ended in `error`; `more` are further members of the document."""
    document = {**members(error, flask.g.request_id), **more}
    flask.g.problem = error.code
    response = flask.Response(
        flask.json.dumps(document), status=document["status"], content_type="application/problem+json"
    )
    if isinstance(error, AuthenticationError):
        response.headers["WWW-Authenticate"] = 'Bearer realm="dubq"'
    if error.retryable:
        response.headers["Retry-After"] = str(error.retry_after_s or RETRY_AFTER_S)
    if isinstance(error, RateLimitedError):
        tell_refusal(response, error)
    return response


def members(error: DubqError, request_id: str) -> Problem:
    """Return the members of the problem document. Source: RFC 9457, section 3."""
    found: Problem = {
        "type": f"urn:dubq:problem:{error.code}",
        "title": error.title,
        "status": error.status or InternalError.status,
        "detail": str(error),
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if error.job_id is not None:
        found["job_id"] = error.job_id
    if isinstance(error, RequestError) and error.limit is not None:
        found["limit"], found["most"] = error.limit, error.most
    if error.retry_after_s is not None:
        found["retry_after_s"] = error.retry_after_s
    if isinstance(error, InvalidFieldsError):
        found["errors"] = [Wrong(pointer=each.pointer, message=each.message) for each in error.errors]
    return found


def invalid(pointer: str, message: str) -> InvalidFieldsError:
    """Return the error for one wrong field (a JSON pointer) or parameter (its name)."""
    return InvalidFieldsError([FieldProblem(pointer[:MAX_POINTER], message)])


def beyond(pointer: str, limit: str, most: int, found: int) -> InvalidFieldsError:
    """Return the error for a field (a JSON pointer) or parameter (its name) that has more in it than it may."""
    error = invalid(pointer, f"{most} at most, not {found}")
    error.limit, error.most = limit, most
    return error


def too_large() -> BodyTooLargeError:
    """Return the error for a body that is larger than the current request's may be."""
    error = BodyTooLargeError()
    error.most = flask.request.max_content_length
    return error


def invalid_body(error: ValidationError, most: int) -> InvalidFieldsError:
    """Return the error for a body that its model refuses: the first wrong fields, `most` of them at most."""
    found = error.errors(include_url=False, include_input=False)
    return InvalidFieldsError([_field_problem(each) for each in found[:most]])


def _field_problem(raw: Any) -> FieldProblem:
    form = _FORMS.get(raw["loc"][-1]) if raw["type"] == "string_pattern_mismatch" else _WORDS.get(raw["type"])
    message = form.format_map(raw.get("ctx", {})) if form else raw["msg"]
    return FieldProblem(pointer(*raw["loc"])[:MAX_POINTER], message)


def pointer(*steps: str | int) -> str:
    """Return the JSON pointer to a field. Source: RFC 6901, sections 3 and 4."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _refuse(error: DubqError) -> flask.Response:
    if isinstance(error, StaleWriteError):
        return problem(ServiceUnavailableError("others are changing this very job; try again", job_id=error.job_id))
    if error.status is None:
        return _fault(error)
    return problem(error)


def _refuse_http(error: HTTPException) -> flask.Response | HTTPException:
    status = error.code or InternalError.status
    if status >= InternalError.status:
        return _fault(error)
    if status < RequestError.status:
        return error  # a redirect is an answer
    kind = _BY_STATUS.get(status, RequestError)
    if kind is BodyTooLargeError:
        return problem(too_large())
    response = problem(kind("" if kind is not RequestError else error.description or ""))
    response.status_code = status
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _redis_away(error: redis.RedisError) -> flask.Response:
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        log.warning("redis_away", error=str(error))
        reason = "Redis cannot be reached just now"
    else:  # it is full, read-only, or not itself yet
        log.error("redis_refused", error=str(error))
        reason = "Redis refuses to work just now"
    return problem(ServiceUnavailableError(f"{reason}; nothing that was accepted is lost"))


def _fault(error: Exception) -> flask.Response:
    log.error("request_failed", exc_info=error)
    return problem(InternalError("the log has the details under this request's id"))
