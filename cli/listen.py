"""`dubq listen`: receives webhooks, and prints them."""

from contextlib import suppress
from typing import Final

import click

from client import CallbackServer, WebhookEvent, WebhookVerificationError
from contract.errors import DubqError
from contract.job import to_rfc3339

from .exits import TakenError
from .speech import Speech, json_option
from .words import standing

PORT: Final = 5001


@click.command()
@click.option(
    "--secret",
    "secrets",
    envvar="DUBQ_WEBHOOK_SECRET",
    show_envvar=True,
    multiple=True,
    required=True,
    metavar="SECRET",
    help="What webhooks are signed with; may be repeated. Other users of this machine do not see the variable.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="The port; 0 is any that is free."
)
@json_option
def listen(secrets: tuple[str, ...], host: str, port: int, speech: Speech) -> None:
    """Receive webhooks until Ctrl-C, and print each event once.

    Only those are printed that are signed with the secret just now; about others there is a word on standard error.
    """

    def tell_refusal(error: DubqError) -> None:
        speech.note(f"refused: {error.reason if isinstance(error, WebhookVerificationError) else error}")

    with speech.reporting(), suppress(KeyboardInterrupt):
        try:
            server = CallbackServer(secrets, host=host, port=port, on_refused=tell_refusal)
        except OSError as error:
            raise TakenError(f"{host}:{port} cannot be listened on ({error.strerror})") from None
        with server:
            speech.note(f"webhooks are received at {server.url}; Ctrl-C ends this")
            for event in server:
                speech.result({"webhook_id": event.webhook_id, **event.to_wire()}, _line(event))


def _line(event: WebhookEvent) -> str:
    return f"{to_rfc3339(event.timestamp)}  {event.job.job_id}  {standing(event.job)}"
