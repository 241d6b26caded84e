"""The calls of an application, as its routes and what their views say of themselves have them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from itertools import groupby
from typing import Any, Final

import flask
from werkzeug.routing import Rule

from contract.errors import (
    AuthenticationError,
    BodyTooLargeError,
    DubqError,
    ForbiddenError,
    InvalidFieldsError,
    MediaTypeError,
    NotJsonError,
    RateLimitedError,
    RequestError,
    RouteNotFoundError,
    ServiceUnavailableError,
    SlowBodyError,
    TokenInUrlError,
)
from contract.limits import OverloadedError, TooManyWrongTokensError

from .openapi_parts import ACTING, IN_PATH, REQUEST_ID
from .operations import Access, Operation, Parameter, said_of

TAGS: Final = {
    "jobs": "jobs",
    "batch": "jobs",
    "news": "news",
    "deliveries": "webhooks",
    "notifications": "notifications",
    "single": "single job",
    "simulator": "simulator",
    "outages": "simulator",
    "clients": "clients",
}
"""Under which heading the routes of a module stand; those of others stand under OTHERS."""
OTHERS: Final = "service"

_VARIABLE: Final = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
_IMPLIED: Final = ("HEAD", "OPTIONS")
"""What each path takes besides; it means there what it always means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One method of a route, and what its view says of itself."""

    path: str
    method: str
    name: str
    view: Callable[..., Any]
    said: Operation

    @property
    def words(self) -> tuple[str, str]:
        """The summary and the description, which may be empty."""
        summary, _, more = cleandoc(self.view.__doc__ or "").partition("\n\n")
        return " ".join(summary.split()).removesuffix("."), more

    @property
    def tag(self) -> str:
        """The heading that it stands under."""
        return TAGS.get(self.view.__module__.rpartition(".")[2], OTHERS)

    @property
    def variables(self) -> list[str]:
        """What in the path stands for something."""
        return re.findall(r"{(.*?)}", self.path)

    @property
    def parameters(self) -> list[Parameter]:
        """Those of its path, its own, and those of all calls."""
        shared = [REQUEST_ID] if self.said.access is Access.OPEN else [ACTING, REQUEST_ID]
        return [IN_PATH[name] for name in self.variables] + [*self.said.parameters, *shared]

    @property
    def errors(self) -> Iterator[tuple[int, list[type[DubqError]]]]:
        """How it may end otherwise, by statuses."""
        found: set[type[DubqError]] = {*self.said.errors, TokenInUrlError, OverloadedError}
        if self.said.access is not Access.OPEN:
            found |= {AuthenticationError, ForbiddenError, RateLimitedError, TooManyWrongTokensError}
            found.add(ServiceUnavailableError)
        if self.said.body:
            found |= {RequestError, NotJsonError, SlowBodyError, BodyTooLargeError, MediaTypeError, InvalidFieldsError}
        if self.variables:
            found.add(RouteNotFoundError)
        ordered = sorted(found, key=lambda each: (each.status or 0, each.code))
        for status, same in groupby(ordered, key=lambda each: each.status or 0):
            yield status, list(same)


def calls_of(app: flask.Flask) -> list[Call]:
    """Return the calls of an application whose views say something of themselves, by path and method."""
    found = (call for rule in app.url_map.iter_rules() for call in _calls(app, rule))
    return sorted(found, key=lambda each: (each.path, each.method))


def _calls(app: flask.Flask, rule: Rule) -> Iterator[Call]:
    view = app.view_functions[rule.endpoint]
    said = said_of(view)
    if said is None:
        return
    path = _VARIABLE.sub(r"{\1}", rule.rule)
    for method in (rule.methods or set()).difference(_IMPLIED):
        yield Call(path=path, method=method, name=said.name or rule.endpoint, view=view, said=said)
