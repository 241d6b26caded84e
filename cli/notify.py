"""`dubq notify …`: who is told of jobs' ends, by e-mail, Slack and the rest."""

from typing import Any

import click

from contract.notice import ENDS

from .clients import client_id_of
from .connecting import Service, on_service
from .speech import Speech
from .words import columns

client_option = click.option(
    "--client", "client_id", metavar="ID", callback=lambda *given: given[-1] and client_id_of(*given),
    help="Act for the client ID, with the admin's token.",
)  # fmt: skip


@click.group()
def notify() -> None:
    """Have people told of your jobs' ends. The service has to allow it, by DUBQ_NOTIFY_SCHEMES."""


@notify.command("list")
@client_option
@on_service
def list_targets(*, client_id: str | None, service: Service, speech: Speech) -> None:
    """List who is told, and by what people can be."""
    found = service.ask("GET", "/notifications", client_id=client_id)
    rows = [_row(each) for each in found["targets"]]
    schemes = ", ".join(found["schemes"]) or "none"
    told = columns([("TARGET", "BY", "OF"), *rows]) if rows else "nobody is told"
    speech.result(found, f"{told}\nallowed: {schemes}")


@notify.command()
@click.argument("target_url", metavar="[URL]", required=False)
@click.option("--on", type=click.Choice([str(state) for state in ENDS]), multiple=True, help="Of such ends alone.")
@client_option
@on_service
def add(
    *, target_url: str | None, on: tuple[str, ...], client_id: str | None, service: Service, speech: Speech
) -> None:
    """Have whom URL leads to told from now on.

    It is a URL of apprise's, such as mailtos://… or slack://…, and a secret: without it, it is asked for and not shown.
    """
    url = target_url or click.prompt("URL", hide_input=True, err=True)
    made = service.ask("POST", "/notifications", {"url": url} | ({"on": on} if on else {}), client_id=client_id)
    speech.result(made, columns([_row(made)]))


@notify.command()
@click.argument("target_id", metavar="TARGET")
@client_option
@on_service
def remove(*, target_id: str, client_id: str | None, service: Service, speech: Speech) -> None:
    """Have TARGET told no more."""
    service.ask("DELETE", f"/notifications/{target_id}", client_id=client_id)
    speech.result({"target_id": target_id, "removed": True}, f"{target_id} is told no more")


def _row(target: dict[str, Any]) -> tuple[str, str, str]:
    return target["target_id"], target["scheme"], ", ".join(target["on"])
