"""The routes under /clients, for the admin: make tenants, show them, change tokens and limits, delete them."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

import flask
from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from typing_extensions import TypedDict

from contract.errors import ClientExistsError, ClientNotFoundError
from contract.ids import CLIENT_ID, is_client_id
from contract.job import to_rfc3339
from contract.limits import MOST, NONE, PARSE, Limit, Limits, to_text
from store.clients import LONGEST_OVERLAP_S, Clients, Credentials
from store.credentials import Client, Held
from store.limits import Changes

from .caller import admin_only
from .incoming import body, json_object
from .limits import InForce, in_force, shown
from .operations import Access, Answer, Body, operation
from .outgoing import answer, nothing
from .schema import Strict, whole

OVERLAP_S: Final = 3600
"""How long a token lives on that is followed by another, unless it is said otherwise: to change it in all places."""


def _as_text(limit: Limit) -> Callable[[Any], str | None]:
    """Return a reader of one limit in JSON, which gives the text that is kept of it."""

    def read(value: Any) -> str | None:
        value = whole(value)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if value is None:
            return None
        if not (isinstance(value, str) if limit is Limit.REQUESTS else is_number or value == NONE):
            value = ""  # which is no limit, and said so
        return to_text(PARSE[limit](str(value)))

    return read


def _number(least: int) -> dict[str, Any]:
    """Return the JSON schema of a limit that is a number."""
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": MOST - 1}, {"const": NONE}, {"type": "null"}]}


class OwnLimits(Strict):
    """Limits of a client's own: `none` for none at all, null for what others have; what is not named stays."""

    requests: Annotated[
        str | None,
        BeforeValidator(_as_text(Limit.REQUESTS)),
        WithJsonSchema({"type": ["string", "null"], "format": "rate", "description": "Such as `100/s`, `600/m`."}),
    ] = None
    queued: Annotated[str | None, BeforeValidator(_as_text(Limit.QUEUED)), WithJsonSchema(_number(0))] = None
    running: Annotated[str | None, BeforeValidator(_as_text(Limit.RUNNING)), WithJsonSchema(_number(1))] = None
    streams: Annotated[str | None, BeforeValidator(_as_text(Limit.STREAMS)), WithJsonSchema(_number(0))] = None

    @property
    def changes(self) -> Changes:
        """What was named."""
        return {Limit(name): getattr(self, name) for name in self.model_fields_set}


class NewClient(Strict):
    """What is said of a new client."""

    client_id: Annotated[str, StringConstraints(pattern=f"^{CLIENT_ID.pattern}$")]
    limits: OwnLimits = OwnLimits()


class ClientChange(Strict):
    """What is to be changed of a client."""

    limits: OwnLimits


class Rotation(Strict):
    """How a token is to be followed by another; 0: at once, as for a token that was lost."""

    overlap_s: float = Field(OVERLAP_S, ge=0, le=LONGEST_OVERLAP_S)


class Until(TypedDict):
    """A token that counts, and until when; null: until there is another."""

    until: datetime | None


class ClientShown(TypedDict):
    """A client; its tokens are told of, newest first, and not shown."""

    client_id: str
    created_at: datetime
    tokens: list[Until]
    limits: Annotated[InForce, Field(description="Its own; null: none of its own.")]
    limits_in_force: InForce


class ClientList(TypedDict):
    """All clients."""

    clients: list[ClientShown]


_ACME: Final = {
    "client_id": "acme",
    "created_at": "2026-11-02T09:30:00.000Z",
    "tokens": [{"until": None}],
    "limits": {"requests": None, "queued": 500, "running": "none", "streams": None},
    "limits_in_force": {"requests": "100/s", "queued": 500, "running": None, "streams": 100},
}
_ONCE: Final = {
    "client_id": "acme",
    "token": "dubq_wN1mC4mV0nF0sWq0Wm2i7Zz3kq9bYd1oJb6XJp0x2hE",
    "webhook_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
_LINKS: Final = ("read_client", "change_client", "rotate_token", "delete_client")


class ClientRoutes:
    """The tenants, for the admin alone. `clock` returns aware UTC times; `limits` are for who has none of its own."""

    def __init__(self, clients: Clients, clock: Callable[[], datetime], limits: Limits) -> None:
        self._clients, self._clock, self._limits = clients, clock, limits

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/clients", view_func=self.create_client, methods=["POST"])
        app.add_url_rule("/clients", view_func=self.list_clients, methods=["GET"])
        app.add_url_rule("/clients/<name>", view_func=self.read_client, methods=["GET"])
        app.add_url_rule("/clients/<name>", view_func=self.change_client, methods=["PATCH"])
        app.add_url_rule("/clients/<name>", view_func=self.delete_client, methods=["DELETE"])
        app.add_url_rule("/clients/<name>/token", view_func=self.rotate_token, methods=["POST"])

    @operation(
        Answer(
            201,
            "Its token and its webhook secret, shown this once.",
            Credentials,
            headers=("Location",),
            examples={"acme": _ONCE},
            links=_LINKS,
        ),
        body=Body(NewClient, {"acme": {"client_id": "acme"}}),
        errors=(ClientExistsError,),
        access=Access.ADMIN,
    )
    def create_client(self) -> flask.Response:
        """Make a client: 201 with its token and its webhook secret, shown this once."""
        admin_only()
        wanted = NewClient.parse(json_object())
        made = self._clients.create(wanted.client_id, wanted.limits.changes)
        response = _shown_once(made, 201)
        response.headers["Location"] = f"/clients/{made.client_id}"
        return response

    @operation(Answer(200, "All clients.", ClientList, examples={"one": {"clients": [_ACME]}}), access=Access.ADMIN)
    def list_clients(self) -> flask.Response:
        """Answer with all clients."""
        admin_only()
        return answer({"clients": [self._told(each) for each in self._clients.list()]})

    @operation(
        Answer(200, "The client.", ClientShown, examples={"acme": _ACME}, links=_LINKS),
        errors=(ClientNotFoundError,),
        access=Access.ADMIN,
    )
    def read_client(self, name: str) -> flask.Response:
        """Answer with one client."""
        admin_only()
        return answer(self._told(self._clients.read(_known(name))))

    @operation(
        Answer(200, "The client.", ClientShown, examples={"acme": _ACME}),
        body=Body(ClientChange, {"fewer": {"limits": {"requests": "600/m", "queued": 500, "running": "none"}}}),
        errors=(ClientNotFoundError,),
        access=Access.ADMIN,
    )
    def change_client(self, name: str) -> flask.Response:
        """Change a client's own limits, and answer with the client."""
        admin_only()
        change = ClientChange.parse(json_object())
        self._clients.change_limits(_known(name), change.limits.changes)
        return answer(self._told(self._clients.read(name)))

    @operation(Answer(204, "It is no more."), errors=(ClientNotFoundError,), access=Access.ADMIN)
    def delete_client(self, name: str) -> flask.Response:
        """End a client's tokens, streams and Redis user at once; its jobs go on to their end, unseen."""
        admin_only()
        self._clients.delete(_known(name))
        return nothing()

    @operation(
        Answer(200, "The new token and webhook secret, shown this once.", Credentials, examples={"acme": _ONCE}),
        body=Body(Rotation, {"at once": {"overlap_s": 0}, "in an hour": {"overlap_s": 3600}}, is_required=False),
        errors=(ClientNotFoundError,),
        access=Access.ADMIN,
    )
    def rotate_token(self, name: str) -> flask.Response:
        """Give a client a new token and a new webhook secret, shown this once; those before live on for a while."""
        admin_only()
        rotation = Rotation.parse(json_object() if body() else {})
        return _shown_once(self._clients.rotate(_known(name), rotation.overlap_s))

    def _told(self, client: Client) -> dict[str, Any]:
        now, own = self._clock(), self._clients.limits(client.client_id)
        return {
            "client_id": client.client_id,
            "created_at": to_rfc3339(client.created_at),
            "tokens": _ends(client.tokens, now),
            "limits": {limit: NONE if own.get(limit, 0) is None else shown(own.get(limit)) for limit in Limit},
            "limits_in_force": in_force(self._limits, own),
        }


def _ends(held: Iterable[Held], now: datetime) -> list[dict[str, str | None]]:
    """Return until when each of what lives does so, newest first; it stays unsaid what it is."""
    return [{"until": to_rfc3339(each.until) if each.until else None} for each in held if each.is_live(now)]


def _shown_once(made: Credentials, status: int = 200) -> flask.Response:
    return answer(asdict(made), status)


def _known(name: str) -> str:
    """Return `name` if it can be a client's. Raises ClientNotFoundError otherwise."""
    if not is_client_id(name):
        raise ClientNotFoundError("a client_id is 1 to 32 of a-z 0-9 -, so there is no such client")
    return name
