"""`dubq clients …`: the service's tenants, for its admin."""

from collections.abc import Callable
from typing import Any, Final

import click

from contract.ids import CLIENT_ID, is_client_id
from contract.limits import NONE, PARSE, Limit

from .connecting import Service, on_service_as_admin
from .speech import Speech
from .values import Seconds
from .words import columns

WEEK_S: Final = 7 * 86_400
DEFAULT: Final = "default"
"""The word for the limit that clients have which have none of their own."""
_HELP: Final = {
    Limit.REQUESTS: "Requests in any window of so many seconds, as 100/s or 6000/60s.",
    Limit.QUEUED: "Jobs in the queue.",
    Limit.RUNNING: "Jobs that run at a time.",
    Limit.STREAMS: "Streams and held answers that are open.",
}


def client_id_of(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a client's id. Raises BadParameter."""
    if not is_client_id(value):
        raise click.BadParameter(f"{value!r} has to be {CLIENT_ID.pattern}")
    return value


client_id_argument = click.argument("client_id", metavar="ID", callback=client_id_of)


class OneLimit(click.ParamType[str | int]):
    """A limit, as the service is told it."""

    def __init__(self, limit: Limit) -> None:
        self.name, self._limit = limit.value, limit

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str | int:
        """Return the limit, or one of the words `none` and `default`. Raises BadParameter."""
        word = value.strip().lower()
        if word == DEFAULT:
            return word
        try:
            found = PARSE[self._limit](word)
        except ValueError as error:
            self.fail(f"{value!r} {error}, or default", param, ctx)
        return NONE if found is None else found if isinstance(found, int) else str(found)


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each limit."""
    for limit in reversed(Limit):
        option = click.option(f"--{limit}", type=OneLimit(limit), metavar="LIMIT", help=_HELP[limit])
        command = option(command)
    return command


@click.group()
def clients() -> None:
    """Make, show and delete clients, and change their tokens and limits. All of it takes the admin's token."""


@clients.command()
@client_id_argument
@limit_options
@on_service_as_admin
def create(client_id: str, service: Service, speech: Speech, **limits: str | int | None) -> None:
    """Make the client ID; its token and webhook secret are shown this once."""
    wanted = _wanted(limits)
    made = service.ask("POST", "/clients", {"client_id": client_id} | ({"limits": wanted} if wanted else {}))
    speech.result(made, _credentials(made))
    speech.note("They are shown this once. The token goes into DUBQ_TOKEN, the secret into DUBQ_WEBHOOK_SECRET.")


@clients.command("list")
@on_service_as_admin
def list_clients(service: Service, speech: Speech) -> None:
    """List all clients."""
    found = service.ask("GET", "/clients")
    rows = [(each["client_id"], each["created_at"], _lives(each["tokens"])) for each in found["clients"]]
    speech.result(found, columns([("CLIENT", "CREATED", "TOKENS"), *rows]) if rows else "no clients")


@clients.command()
@client_id_argument
@on_service_as_admin
def show(client_id: str, service: Service, speech: Speech) -> None:
    """Show the client ID, without its tokens."""
    found = service.ask("GET", f"/clients/{client_id}")
    facts = [("client", found["client_id"]), ("created", found["created_at"]), ("tokens", _lives(found["tokens"]))]
    speech.result(found, columns([*facts, *_limits(found)]))


@clients.command("limit")
@client_id_argument
@limit_options
@on_service_as_admin
def limit_client(client_id: str, service: Service, speech: Speech, **limits: str | int | None) -> None:
    """Give the client ID limits of its own: a number or a rate, none, or default for what others have."""
    wanted = _wanted(limits)
    if not wanted:
        raise click.UsageError("say which limit: --requests, --queued, --running or --streams")
    found = service.ask("PATCH", f"/clients/{client_id}", {"limits": wanted})
    speech.result(found, columns([("client", found["client_id"]), *_limits(found)]))


@clients.command()
@client_id_argument
@on_service_as_admin
def delete(client_id: str, service: Service, speech: Speech) -> None:
    """Delete the client ID. Its tokens end at once; its jobs go on to their end, and nobody can read them."""
    service.ask("DELETE", f"/clients/{client_id}")
    speech.result({"client_id": client_id, "deleted": True}, f"{client_id} is deleted")


@clients.command()
@client_id_argument
@click.option(
    "--overlap",
    "overlap_s",
    type=Seconds(0, WEEK_S),
    default=3600.0,
    show_default=True,
    help="Seconds for which the old token and secret live on.",
)
@click.option("--at-once", is_flag=True, help="End the old ones now, as when they were lost.")
@on_service_as_admin
def rotate(*, client_id: str, overlap_s: float, at_once: bool, service: Service, speech: Speech) -> None:
    """Give the client ID a new token and a new webhook secret, which are shown this once."""
    made = service.ask("POST", f"/clients/{client_id}/token", {"overlap_s": 0 if at_once else overlap_s})
    speech.result(made, _credentials(made))
    speech.note("The old ones have ended." if at_once else f"The old ones live for {overlap_s:g} s more.")


def _wanted(limits: dict[str, str | int | None]) -> dict[str, str | int | None]:
    """Return what the service is to be told of the limits that were given."""
    return {name: None if limit == DEFAULT else limit for name, limit in limits.items() if limit is not None}


def _limits(client: dict[str, Any]) -> list[tuple[str, str]]:
    """Say which limits a client has, and which of them are its own."""
    rows = []
    for name, limit in client["limits_in_force"].items():
        is_own = client["limits"][name] is not None
        rows.append((name, (NONE if limit is None else str(limit)) + (", its own" if is_own else "")))
    return rows


def _credentials(made: dict[str, Any]) -> str:
    names = ("client_id", "token", "webhook_secret")
    return columns([(name.replace("_", " "), made[name]) for name in names])


def _lives(held: list[dict[str, str | None]]) -> str:
    """Say until when each lives: the newest as long as no other comes after it."""
    return ", ".join(f"one until {each['until']}" if each["until"] else "one" for each in held)
