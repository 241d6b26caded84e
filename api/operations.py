"""What a route says of itself, right above itself: the OpenAPI document is made of nothing else, and of the models.

```python
@operation(Answer(200, "How often it was tried.", Attempts), errors=(JobNotFoundError,))
def attempts(self, job_id: str) -> flask.Response:
    \"\"\"Answer how often a job was tried.\"\"\"
```

The first paragraph of the docstring is the summary, the rest of it the description. What is so for all calls of a kind
is not said again: that a body can be none, too large or wrong, that a token is needed, that Redis may be away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeVar

from contract.errors import DubqError

View = TypeVar("View", bound=Callable[..., Any])

JSON: Final = "application/json"
NOTE: Final = "operation"
"""Under this name a view has what it says of itself."""


class Access(Enum):
    """Whose call an operation is."""

    OPEN = "anybody's, also without a token"
    CLIENT = "every client's, for what is its own"
    ADMIN = "the admin's alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What a request may say besides its body. Of `type` pydantic makes the schema."""

    name: str
    place: Literal["query", "header", "path"]
    says: str
    type: Any = str
    is_required: bool = False
    example: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """What a request has to say: of `type` pydantic makes the schema; `examples` are bodies, each with its name."""

    type: Any
    examples: Mapping[str, Any] = field(default_factory=dict)
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call that goes well is answered with: of `type` pydantic makes the schema; None: it has no body.

    `headers` are those that it always has, besides those of every answer, and `at_times` those that it may have.
    `examples` are bodies, each with its name; `links` are the names of the operations that it leads to.
    """

    status: int
    says: str
    type: Any = None
    content_type: str = JSON
    headers: Sequence[str] = ()
    at_times: Sequence[str] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)
    links: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `answers` are those of calls that go well, `errors` how it may end otherwise.

    Several answers of one status differ in their content type.
    """

    answers: Sequence[Answer]
    body: Body | None = None
    parameters: Sequence[Parameter] = ()
    errors: Sequence[type[DubqError]] = ()
    access: Access = Access.CLIENT
    name: str = ""


def operation(
    *answers: Answer,
    body: Body | None = None,
    parameters: Sequence[Parameter] = (),
    errors: Sequence[type[DubqError]] = (),
    access: Access = Access.CLIENT,
    name: str = "",
) -> Callable[[View], View]:
    """Note what a view does, under a `name` where its own would say too little; the view stays what it is."""
    said = Operation(answers=answers, body=body, parameters=parameters, errors=errors, access=access, name=name)

    def note(view: View) -> View:
        vars(view)[NOTE] = said
        return view

    return note


def said_of(view: Callable[..., Any]) -> Operation | None:
    """Return what a view says of itself, if it does."""
    said: Operation | None = getattr(view, NOTE, None)
    return said
