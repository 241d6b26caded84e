"""Makes client.md, beside this file, of the docstrings of the client library: `make docs`."""

import dataclasses
import enum
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import client

PAGE: Final = Path(__file__).with_name("client.md")

HEAD: Final = """# The client library

Made of the docstrings by `make docs`: change them, not this page. What a user can rely on of every name is here; the
tour is in the [README](../../README.md).
"""

WIDTH: Final = 100
"""Columns that a signature may take before each of its arguments gets a line."""

SECTIONS: Final = ("Clients", "Functions", "Values", "Words", "Errors")

OWN: Final = ("count_", "forget_")
"""How the methods begin that a client itself calls, and no user of it."""

TWINS: Final = {"AsyncTranslationClient": "TranslationClient"}
"""Classes that have the methods of another, awaited; a test compares their docstrings."""

_PATH: Final = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z_])")


def page() -> str:
    """Return the whole page."""
    things = {name: getattr(client, name) for name in sorted(_public())}
    parts = [HEAD]
    for section in SECTIONS:
        entries = ["\n\n".join(_entry(name, each)) for name, each in things.items() if _section(each) == section]
        if entries:
            parts += [f"## {section}\n", *(f"{entry}\n" for entry in entries)]
    return "\n".join(parts)


def _section(thing: Any) -> str:
    if not inspect.isclass(thing):
        return "Functions"
    if thing.__name__.endswith(("Client", "Server")):
        return "Clients"
    if issubclass(thing, Exception):
        return "Errors"
    return "Words" if issubclass(thing, str) else "Values"


def _entry(name: str, thing: Any) -> Iterator[str]:
    """Yield the paragraphs about one name."""
    yield f"### {name}"
    if isinstance(thing, ModuleType):
        yield _doc(thing)
        for inner, member in vars(thing).items():
            if getattr(member, "__module__", None) == thing.__name__ and not inner.startswith("_"):
                yield from _member(f"{name}.{inner}", inner, member)
    elif not inspect.isclass(thing):
        yield from (_code(_call(name, thing)), _doc(thing))
    else:
        yield from _class(name, thing)


def _class(name: str, kind: type) -> Iterator[str]:
    if issubclass(kind, Exception):
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        yield f"Code `{getattr(kind, 'code', '')}`, a kind of {bases}. {_doc(kind)}"
    elif issubclass(kind, enum.Enum):
        yield f"{_doc(kind)} " + ", ".join(f"`{each.name}`" for each in kind) + "."
    elif dataclasses.is_dataclass(kind):
        yield _doc(kind)
        yield "\n".join(_field(each) for each in dataclasses.fields(kind))
    else:
        if _section(kind) == "Clients":
            yield _code(_call(name, kind))
        yield _doc(kind)
    if name in TWINS:
        yield f"Its methods are those of `{TWINS[name]}`, with the same arguments:"
        yield _code("\n".join(_awaited(inner, member) for inner, member in _members(kind)))
        return
    for inner, member in _members(kind):
        yield from _member(f"{name}.{inner}", inner, member)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties of a class, in the order of its source, that no other entry has."""
    inner = [
        each for each in kind.__mro__[1:] if each.__module__.startswith("client.") and each.__name__ not in _public()
    ]
    for name, member in (each for owner in (kind, *inner) for each in vars(owner).items()):
        is_documented = inspect.isroutine(member) or isinstance(member, (property, classmethod))
        if is_documented and member.__doc__ and not name.startswith(("_", *OWN)):
            yield name, member


def _public() -> set[str]:
    return {*client.__all__, *TWINS}


def _member(title: str, name: str, member: Any) -> Iterator[str]:
    if isinstance(member, property):
        returned = _annotation(inspect.signature(_getter(member)).return_annotation)
        yield f"**{title}**: `{returned}`. {_doc(member)}"
        return
    yield f"#### {title}"
    yield _code(_call(name, getattr(member, "__func__", member)))
    yield _doc(member)


def _getter(member: property) -> Callable[..., Any]:
    if member.fget is None:
        raise TypeError("a property that cannot be read")
    return member.fget


def _awaited(name: str, method: Any) -> str:
    if inspect.iscoroutinefunction(method):
        return f"await client.{name}(…)"
    return f"async for job in client.{name}(…)"


def _field(field: "dataclasses.Field[Any]") -> str:
    default = ""
    if field.default is not dataclasses.MISSING:
        default = f" = {_value(field.default)}"
    elif field.default_factory is not dataclasses.MISSING:
        default = f" = {_value(field.default_factory())}"
    return f"- `{field.name}: {_annotation(field.type)}{default}`"


def _call(name: str, thing: Callable[..., Any]) -> str:
    """Return how something is called, on one line or with a line for each argument."""
    signature = inspect.signature(thing)
    arguments: list[str] = []
    has_star = False
    for each in signature.parameters.values():
        if each.name in {"self", "cls"}:
            continue
        if each.kind is each.VAR_POSITIONAL:
            has_star = True
        if each.kind is each.KEYWORD_ONLY and not has_star:
            arguments.append("*")
            has_star = True
        arguments.append(_argument(each))
    returned = signature.return_annotation
    ending = "" if inspect.isclass(thing) or returned is signature.empty else f" -> {_annotation(returned)}"
    prefix = "async " if inspect.iscoroutinefunction(thing) else ""
    line = f"{prefix}{name}({', '.join(arguments)}){ending}"
    if len(line) <= WIDTH:
        return line
    return f"{prefix}{name}(\n" + "".join(f"    {each},\n" for each in arguments) + f"){ending}"


def _argument(parameter: inspect.Parameter) -> str:
    stars = "*" * ((parameter.kind is parameter.VAR_POSITIONAL) + 2 * (parameter.kind is parameter.VAR_KEYWORD))
    annotation = "" if parameter.annotation is parameter.empty else f": {_annotation(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {_value(parameter.default)}"
    return f"{stars}{parameter.name}{annotation}{default}"


def _annotation(annotation: Any) -> str:
    """Return a type as one would write it, without the modules that it comes from."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _PATH.sub("", text).replace("NoneType", "None")


def _value(value: Any) -> str:
    """Return a default as one would write it: nothing of where it lies in memory."""
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    return str(value.__name__) if callable(value) else repr(value)


def _doc(thing: Any) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
