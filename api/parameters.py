"""The parameters and headers of calls about jobs, as the OpenAPI document has them."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from contract.states import State

from .incoming import MAX_WAIT_S
from .operations import Parameter
from .schema import JobId

MAX_IDS: Final = 1000
MAX_PAGE: Final = 1000
PAGE: Final = 50

IDEMPOTENCY_KEY: Final = Parameter(
    name="Idempotency-Key",
    place="header",
    says="With the same key and the same body no second job is made, for a day. A `job_id` does the same for ever.",
    type=Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")],
)
IDS: Final = Parameter(
    name="ids",
    place="query",
    says="These very jobs; goes with no other parameter.",
    type=Annotated[list[JobId], Field(min_length=1, max_length=MAX_IDS)],
    example=["talk-es", "talk-fr"],
)
LISTED: Final = (
    Parameter(name="state", place="query", says="Only those in this state.", type=State),
    Parameter(name="target_language", place="query", says="Only those into this language."),
    Parameter(
        name="limit",
        place="query",
        says=f"How many jobs a page has at most; {PAGE} unless told otherwise.",
        type=Annotated[int, Field(ge=1, le=MAX_PAGE)],
    ),
    Parameter(
        name="cursor",
        place="query",
        says="The `next_cursor` of an earlier answer.",
        type=Annotated[str, StringConstraints(pattern=r"^[0-9]{1,13}\.[A-Za-z0-9_-]{1,64}$")],
    ),
)
PREFER_WAIT: Final = Parameter(
    name="Prefer",
    place="header",
    says=(
        f"`wait=N` holds the answer until there is news, for N seconds and {MAX_WAIT_S} at most; with `; until=done` "
        "until the job is done; with `; ping=1` white space before the document says meanwhile that the line is there."
    ),
    example="wait=2; until=done",
)
PREFER_END: Final = Parameter(
    name="Prefer",
    place="header",
    says=f"`wait=N` holds the answer until the job is done, for N seconds and {MAX_WAIT_S} at most.",
    example="wait=2",
)
KNOWN: Final = Parameter(
    name="If-None-Match", place="header", says="The ETag of the document that the caller has.", example='"5"'
)
