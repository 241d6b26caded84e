"""`dubq clients …`: the service's tenants, for its admin."""

from typing import Any, Final

import click

from contract.ids import CLIENT_ID, is_client_id

from .connecting import Service, on_service_as_admin
from .speech import Speech
from .values import Seconds
from .words import columns

WEEK_S: Final = 7 * 86_400


def client_id_of(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a client's id. Raises BadParameter."""
    if not is_client_id(value):
        raise click.BadParameter(f"{value!r} has to be {CLIENT_ID.pattern}")
    return value


client_id_argument = click.argument("client_id", metavar="ID", callback=client_id_of)


@click.group()
def clients() -> None:
    """Make, show and delete clients, and change their tokens. All of it takes the admin's token."""


@clients.command()
@client_id_argument
@on_service_as_admin
def create(client_id: str, service: Service, speech: Speech) -> None:
    """Make the client ID; its token and webhook secret are shown this once."""
    made = service.ask("POST", "/clients", {"client_id": client_id})
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
    speech.result(found, columns(facts))


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


def _credentials(made: dict[str, Any]) -> str:
    names = ("client_id", "token", "webhook_secret")
    return columns([(name.replace("_", " "), made[name]) for name in names])


def _lives(held: list[dict[str, str | None]]) -> str:
    """Say until when each lives: the newest as long as no other comes after it."""
    return ", ".join(f"one until {each['until']}" if each["until"] else "one" for each in held)
