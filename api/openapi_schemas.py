"""The schemas of the OpenAPI document, made by pydantic of all types at once, so that what they share has one name."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from .operations import Operation

Mode: TypeAlias = Literal["validation", "serialization"]
REF: Final = "#/components/schemas/{model}"


class _Plain(GenerateJsonSchema):
    """Without titles that only repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's own signature
        return False


class Schemas:
    """The schemas of some types; `named` are those that others refer to."""

    def __init__(self, types: Iterable[tuple[Any, Mode]]) -> None:
        # by identity, as a type with constraints has no hash; they are kept so that none gets the id of another
        self._kept = {(id(kind), mode): kind for kind, mode in types}
        wanted = [(key, key[1], TypeAdapter(kind)) for key, kind in self._kept.items()]
        made, rest = TypeAdapter.json_schemas(wanted, ref_template=REF, schema_generator=_Plain)
        self._made = {key: schema for (key, _), schema in made.items()}
        self.named: dict[str, Any] = dict(sorted(rest.get("$defs", {}).items()))

    def of(self, kind: Any, mode: Mode) -> dict[str, Any]:
        """Return the schema of one of the types."""
        return dict(self._made[id(kind), mode])


def spoken_of(said: Operation) -> Iterator[tuple[Any, Mode]]:
    """Yield the types that an operation speaks of."""
    if said.body:
        yield said.body.type, "validation"
    for parameter in said.parameters:
        yield parameter.type, "validation"
    for answer in said.answers:
        if answer.type is not None:
            yield answer.type, "serialization"
