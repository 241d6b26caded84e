"""The routes about who is told of a client's jobs besides programs: shown without what only the sender needs."""

from collections.abc import Callable
from datetime import datetime
from os import urandom
from typing import Annotated, Final

import flask
from pydantic import AfterValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from contract.errors import RouteNotFoundError
from contract.ids import uuid7
from contract.notice import ENDS, MOST_TARGETS, Target, scheme_of
from contract.states import State
from store.records import to_ms
from store.targets import Targets

from .caller import client_id
from .incoming import json_object
from .operations import Answer, Body, operation
from .outgoing import answer, nothing
from .problems import invalid
from .schema import Strict


def _end(state: State) -> State:
    if state not in ENDS:
        raise ValueError(f"has to be one of {', '.join(ENDS)}")
    return state


def _url(text: str) -> str:
    scheme_of(text)
    return text


End = Annotated[
    State, Field(strict=False), AfterValidator(_end), WithJsonSchema({"type": "string", "enum": list(ENDS)})
]


class NewTarget(Strict):
    """A target as it is asked for."""

    url: Annotated[
        str,
        Field(description="Where to, as Apprise has it.", json_schema_extra={"format": "notification-url"}),
        AfterValidator(_url),
    ]
    on: Annotated[list[End], Field(min_length=1)] = Field(default_factory=lambda: list(ENDS))


class TargetShown(TypedDict):
    """Who is told of what, and by what: never the URL, which has a secret in it."""

    target_id: str
    scheme: str
    on: list[State]


class TargetList(TypedDict):
    """Who is told, and by what people can be."""

    targets: list[TargetShown]
    schemes: list[str]


_SHOWN: Final = {"target_id": "0199f2b1c0de7a4e9d1c2b3a4f5e6d7c", "scheme": "slack", "on": ["completed", "error"]}


class NotificationRoutes:
    """GET and POST /notifications, DELETE /notifications/{target_id}: the targets of whoever is asking.

    They are told by `schemes` alone. `clock` returns aware UTC times.
    """

    def __init__(self, targets: Targets, schemes: frozenset[str], clock: Callable[[], datetime]) -> None:
        self._targets, self._schemes, self._clock = targets, schemes, clock

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/notifications", view_func=self.targets)
        app.add_url_rule("/notifications", view_func=self.add_target, methods=["POST"])
        app.add_url_rule("/notifications/<target_id>", view_func=self.remove_target, methods=["DELETE"])

    @operation(
        Answer(200, "They.", TargetList, examples={"one": {"targets": [_SHOWN], "schemes": ["mailtos", "slack"]}}),
        name="notifications",
    )
    def targets(self) -> flask.Response:
        """Say who is told, and by what people can be."""
        found = [each.to_wire() for each in self._targets.of_client(client_id())]
        return answer({"targets": found, "schemes": sorted(self._schemes)})

    @operation(
        Answer(201, "Is told from now on.", TargetShown, examples={"slack": _SHOWN}),
        Answer(200, "Is told already.", TargetShown, examples={"slack": _SHOWN}),
        body=Body(NewTarget, {"mail": {"url": "mailtos://user:password@example.com", "on": ["error"]}}),
        name="add_notification",
    )
    def add_target(self) -> flask.Response:
        """Have somebody told from now on: 201, or 200 if it is somebody who is told already."""
        wanted = NewTarget.parse(json_object())
        if (scheme := scheme_of(wanted.url)) not in self._schemes:
            raise invalid("/url", f"the operator does not allow {scheme}: {self._allowed()}")
        on = tuple(state for state in ENDS if state in wanted.on)
        fresh = Target(target_id=uuid7(to_ms(self._clock()), urandom(10)).hex, url=wanted.url, on=on)
        target = self._targets.add(client_id(), fresh)
        if target is None:
            raise invalid("/url", f"there are {MOST_TARGETS} already, which is all that a client may have")
        return answer(target.to_wire(), 201 if target is fresh else 200)

    @operation(Answer(204, "Is told no more."), name="remove_notification")
    def remove_target(self, target_id: str) -> flask.Response:
        """Have somebody told no more, also of what has ended already."""
        if not self._targets.remove(client_id(), target_id):
            raise RouteNotFoundError("there is no such target")
        return nothing()

    def _allowed(self) -> str:
        return f"there are {', '.join(sorted(self._schemes))}" if self._schemes else "there are no notifications here"
