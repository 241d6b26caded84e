"""What the OpenAPI document says once and refers to: headers, security, problems, webhooks, what stands in a path."""

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from contract.errors import DubqError, FieldProblem, InvalidFieldsError
from contract.ids import CLIENT_ID

from .caller import ACTING_FOR
from .documents import JobDocument
from .operations import Parameter
from .problems import Problem, members
from .schema import JobId

A_REQUEST: Final = "01JD0Q4ZK2"
"""The id of the request in examples."""

SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <token>`"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same token, by itself"},
}

_TEXT: Final = {"type": "string"}
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {"description": "The caller's, if it sent a sane one.", "schema": _TEXT},
    "Retry-After": {
        "description": "Whole seconds after which to ask again. While a job is not done, a lower bound.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit": {
        "description": "What is left of the caller's limits, and when they are whole again.",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {"description": "The caller's limits.", "schema": _TEXT},
    "ETag": {"description": "The document's `seq`, in quotes.", "schema": {"type": "string", "pattern": '^"[0-9]+"$'}},
    "Location": {"description": "The way to what was made.", "schema": {"type": "string", "format": "uri-reference"}},
    "Content-Location": {
        "description": "The way to the job that this is about.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Preference-Applied": {"description": "What of `Prefer` was heeded (RFC 7240).", "schema": _TEXT},
    "WWW-Authenticate": {"description": "How to show a token.", "schema": _TEXT},
}
LIMITS: Final = ("RateLimit", "RateLimit-Policy")
"""What answers may have that count against a limit of the caller's."""

REQUEST_ID: Final = Parameter(
    name="X-Request-Id",
    place="header",
    says="Stands in the answer, the log and the webhook, if it is 1 to 128 of A-Z a-z 0-9 . _ -",
)
ACTING: Final = Parameter(
    name=ACTING_FOR,
    place="header",
    says="On whose behalf the admin acts; for others only their own name is allowed.",
    type=Annotated[str, StringConstraints(pattern=f"^{CLIENT_ID.pattern}$")],
)
IN_PATH: Final = {
    each.name: each
    for each in (
        Parameter(name="job_id", place="path", says="The job.", type=JobId, example="talk-es"),
        Parameter(name="delivery_id", place="path", says="The webhook's id.", example="msg_2kd0s8f4"),
        Parameter(name="target_id", place="path", says="Who is told."),
        Parameter(name="name", place="path", says="The client.", type=ACTING.type, example="acme"),
    )
}

MEMBERS: Final = {"name": "client_id"}
"""What answers call that which stands for something in a path, where it is another word."""
EVERYWHERE: Final = (ACTING, REQUEST_ID)
"""Parameters of all calls, or of nearly all."""

SIGNATURE: Final = (
    Parameter(name="webhook-id", place="header", says="The same on every attempt: count it once.", is_required=True),
    Parameter(
        name="webhook-timestamp",
        place="header",
        says="When this attempt was signed, in seconds of Unix time.",
        type=int,
        is_required=True,
    ),
    Parameter(
        name="webhook-signature",
        place="header",
        says="One or several signatures with spaces between them, as Standard Webhooks have it.",
        is_required=True,
        example="v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
)
WEBHOOKS: Final = {
    "translation.completed": "A job is completed",
    "translation.error": "A job has failed for good",
    "translation.cancelled": "A job is cancelled",
}


class Webhook(TypedDict):
    """A job's end, as its `callback_url` is told of it."""

    type: Annotated[str, Field(json_schema_extra={"enum": list(WEBHOOKS)})]
    timestamp: datetime
    data: JobDocument


def problem_example(kind: type[DubqError]) -> Problem:
    """Return a problem document of an error."""
    if kind is InvalidFieldsError:
        return members(InvalidFieldsError([FieldProblem("/target_language", "has to be a language tag")]), A_REQUEST)
    error = kind.__new__(kind)
    DubqError.__init__(error, kind.title)
    return members(error, A_REQUEST)
