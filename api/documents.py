"""The shapes of what is told: made of the very dataclasses that are told, so that the two cannot drift apart."""

from dataclasses import dataclass, fields, is_dataclass
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema

from contract.delivery import Attempt, Delivery
from contract.ids import CLIENT_ID, JOB_ID
from contract.job import Eta, Failure, Job, Output
from contract.states import ForeignWord, Result

from .schema import Submission

STAGE: Final = "`fetch`, `transcribe`, `translate`, `voice`, `lipsync`, `render`, or an engine's own"
_SAID: Final[dict[type, dict[str, Any]]] = {
    Job: {
        "job_id": Field(pattern=f"^{JOB_ID.pattern}$", description="Chosen by the caller, else a UUIDv7."),
        "client_id": Field(pattern=f"^{CLIENT_ID.pattern}$", description="The tenant that owns the job."),
        "seq": Field(ge=1, description="1, 2, 3… without gaps: every change adds one. Also the ETag."),
        "stage": Field(description=f"What it is doing: {STAGE}."),
        "progress": Field(ge=0, le=1, description="It never falls within an attempt."),
        "attempt": Field(ge=1, description="1 is the first try."),
        "position": Field(description="While queued: how many jobs are ahead of it."),
        "eta": Field(description="Until it is final, as far as that can be told."),
        "output": Field(description="Once completed."),
        "error": Field(description="In the state `error`."),
        "result": (Result, Field(description="`pending` until it is done, then the state.")),
        "done": (bool, Field(description="Whether the state is a final one.")),
    },
    Eta: {name: Field(ge=0) for name in ("p10_s", "p50_s", "p90_s")},
    Delivery: {
        "delivery_id": Field(description="The `webhook-id`, the same on every attempt."),
        "next_attempt_at": Field(description="null while an attempt is under way, and once there will be none."),
        "tried": Field(ge=0, description="Attempts since the schedule began, or began anew."),
        "attempts": Field(description="The newest, oldest first."),
    },
    Attempt: {
        "status": Field(description="Of the HTTP answer, if one came."),
        "error": Field(description="What was wrong, if anything was."),
    },
    Failure: {
        "code": Field(description="A stable word for what went wrong."),
        "retryable": Field(description="Whether the same submission may well succeed later."),
    },
    Output: {},
}
"""What the annotations of a dataclass do not say of its fields; with a type: fields that are computed."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Marks JSON that `to_wire` has made of a dataclass."""

    kind: type

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(model_of(self.kind))


JobDocument = Annotated[dict[str, Any], Wire(Job)]
DeliveryDocument = Annotated[dict[str, Any], Wire(Delivery)]


@cache
def model_of(kind: type) -> type[BaseModel]:
    """Return a model that says of what a dataclass looks like as JSON what its annotations say.

    It has all fields, and no words of a newer service than this one.
    """
    said, hints = _SAID[kind], get_type_hints(kind)
    found = {each.name: (_told(hints[each.name]), said.get(each.name, Field())) for each in fields(kind)}
    if kind is Job:  # what was submitted is told as it was
        found |= {name: _as_submitted(name) for name in found.keys() & Submission.model_fields.keys() - {"job_id"}}
    found |= {name: each for name, each in said.items() if isinstance(each, tuple)}
    about = (kind.__doc__ or "").partition("\n\n")[0]
    made: type[BaseModel] = create_model(kind.__name__, __doc__=about, __config__=ConfigDict(), **found)  # type: ignore[call-overload]
    return made


def _told(hint: Any) -> Any:
    """Return an annotation with models in the place of dataclasses, and without the words of a newer service."""
    if isinstance(hint, type) and is_dataclass(hint):
        return model_of(hint)
    if get_origin(hint) in (Union, UnionType):
        return reduce(or_, (_told(each) for each in get_args(hint) if not _is_foreign(each)))
    if get_origin(hint) is tuple:
        return list[_told(get_args(hint)[0])]  # type: ignore[misc]  # computed
    return hint


def _is_foreign(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, ForeignWord)


def _as_submitted(name: str) -> tuple[Any, Any]:
    field = Submission.model_fields[name]
    # the path to the schema alone: what was submitted has been checked
    return Annotated[(field.annotation, *field.metadata, Field(description=field.description))], ...
