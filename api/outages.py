"""Outages that an operator plays: the API as a whole is away, slow, or drops connections, for a while.

There are none unless DUBQ_SIM_OUTAGES is on, and never where the simulator does not run.
"""

import socket
import time
from collections.abc import Callable
from random import Random
from typing import Annotated, Any, Final, Self

import flask
import redis
import structlog
from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from contract import law
from contract.errors import ServiceUnavailableError
from contract.law import Law
from store.outages import Kind, Outage, OutageStore

from .caller import OPEN, admin_only
from .incoming import json_object
from .operations import Access, Answer, Body, operation
from .outgoing import answer
from .problems import invalid
from .schema import DAY_S, Strict

SPARED: Final = ("/simulator/", "/page/", *OPEN)
"""An outage can be ended, and looked at; and whoever supervises the processes is not to end them."""
LONGEST_LATENCY_S: Final = 60.0
LATENCY: Final = "uniform:1:3"

log = structlog.get_logger()


def _law(text: str) -> str:
    law.parse(text)
    return text


class NewOutage(Strict):
    """An outage as it is asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"latency": {"type": "string"}}, "required": ["latency"]},
            "then": {"properties": {"kind": {"const": Kind.SLOW}}},
        }
    )

    kind: Annotated[Kind, Field(strict=False)]
    for_s: float = Field(gt=0, le=DAY_S)
    share: float = Field(1.0, gt=0, le=1)
    latency: (
        Annotated[
            str,
            Field(
                max_length=100,
                description="A law of seconds, such as `fixed:2`.",
                json_schema_extra={"format": "law"},
            ),
            AfterValidator(_law),
        ]
        | None
    ) = None

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Check a body. Raises InvalidFieldsError."""
        wanted = super().parse(body)
        if wanted.latency and wanted.kind is not Kind.SLOW:
            raise invalid("/latency", "is for an outage of the kind slow")
        return wanted

    @property
    def outage(self) -> Outage:
        """The outage that is meant."""
        latency = (self.latency or LATENCY) if self.kind is Kind.SLOW else None
        return Outage(kind=self.kind, share=self.share, latency=latency)


class OutageNow(TypedDict):
    """The present outage, and for how long it goes on; null: there is none."""

    kind: Kind | None
    left_s: Annotated[float, Field(ge=0)]
    share: Annotated[float, Field(ge=0, le=1)]
    latency: str | None


_NO_OUTAGE: Final = OutageNow(kind=None, left_s=0.0, share=0.0, latency=None)
_OUTAGE: Final = Answer(
    200,
    "What the outage does.",
    OutageNow,
    examples={"slow": {"kind": "slow", "left_s": 59.9, "share": 0.5, "latency": LATENCY}, "none": _NO_OUTAGE},
)


class Latency:
    """Holds every answer up by seconds drawn from a law: the same, in order, for the same seed. `pause` sleeps."""

    def __init__(self, law: Law, *, seed: str | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        self._law, self._pause = law, pause
        self._rng = Random(seed)  # noqa: S311 - luck, no secret

    def mount(self, app: flask.Flask) -> None:
        """Put it before the routes of `app`."""
        app.before_request(self.hold_up)

    def hold_up(self) -> None:
        """Take the time that the law says, unless this is no matter of the API's."""
        if not _is_spared():
            self._pause(min(LONGEST_LATENCY_S, self._law.draw(self._rng, None)))


class OutageRoutes:
    """GET, POST and DELETE /simulator/outage, for the admin, and what the outage does to all other requests.

    It strikes the same of them, in order, for the same seed. `pause` sleeps.
    """

    def __init__(
        self, outages: OutageStore, *, seed: str | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._outages, self._pause = outages, pause
        self._rng = Random(seed)  # noqa: S311 - luck, no secret

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`, and the outage before all of them."""
        app.before_request(self.strike)
        app.add_url_rule("/simulator/outage", view_func=self.outage)
        app.add_url_rule("/simulator/outage", view_func=self.begin_outage, methods=["POST"])
        app.add_url_rule("/simulator/outage", view_func=self.end_outage, methods=["DELETE"])

    @operation(_OUTAGE, access=Access.ADMIN)
    def outage(self) -> flask.Response:
        """Say what the present outage does, and for how long."""
        admin_only()
        present, left_s = self._outages.read()
        if present is None:
            return answer(_NO_OUTAGE)
        return answer(OutageNow(kind=present.kind, left_s=left_s, share=present.share, latency=present.latency))

    @operation(
        _OUTAGE,
        body=Body(NewOutage, {"slow": {"kind": "slow", "for_s": 60, "share": 0.5, "latency": LATENCY}}),
        access=Access.ADMIN,
    )
    def begin_outage(self) -> flask.Response:
        """Begin an outage."""
        admin_only()
        wanted = NewOutage.parse(json_object())
        self._outages.begin(wanted.outage, wanted.for_s)
        log.warning("outage_begun", kind=wanted.kind.value, for_s=wanted.for_s, share=wanted.share)
        return self.outage()

    @operation(_OUTAGE, access=Access.ADMIN)
    def end_outage(self) -> flask.Response:
        """End it before its time."""
        admin_only()
        self._outages.end()
        log.warning("outage_ended")
        return self.outage()

    def strike(self) -> flask.Response | None:
        """Do to the present request what the outage does; None: nothing that keeps it from its answer."""
        if _is_spared():
            return None
        try:
            present = self._outages.present()
        except redis.RedisError:
            return None  # an outage of its own kind
        if present is None or self._rng.random() >= present.share:
            return None
        if present.kind is Kind.SLOW:
            seconds = law.parse(present.latency or LATENCY).draw(self._rng, None)
            self._pause(min(LONGEST_LATENCY_S, seconds))
            return None
        if present.kind is Kind.DROPPED:
            _hang_up()
        raise ServiceUnavailableError("the operator has the service play an outage")


def _hang_up() -> None:
    """End the connection, so that no answer can be written to it; where there is none of gunicorn's, do nothing."""
    connection = flask.request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)


def _is_spared() -> bool:
    return flask.request.path == "/" or flask.request.path.startswith(SPARED)
