"""How a command about jobs reaches the service, and what it says when it cannot."""

import functools
import shlex
from collections.abc import Callable
from typing import Any

import click

from client import TranslationClient

from . import values
from .speech import Speech, json_option

Connect = Callable[..., TranslationClient]
"""Opens a client; another one than the real may be handed to the command line as its `obj`."""


class Service:
    """The service that a command was told to use, or else the one that stands on this machine."""

    def __init__(self, url: str | None, token: str | None) -> None:
        self._url, self._token = url, token

    def client(self) -> TranslationClient:
        """Open a client."""
        connect: Connect = click.get_current_context().obj or TranslationClient
        return connect(self._url, token=self._token)

    def wait_command(self, *job_ids: str) -> str:
        """Return the command that waits for these jobs, for a shell; the token stays out of sight."""
        options = ["--url", self._url] if self._url else []
        # an id may begin with a hyphen, as an option does
        words = [*options, "--", *job_ids] if any(each.startswith("-") for each in job_ids) else [*job_ids, *options]
        return shlex.join(["dubq", "wait", *words])


def on_service(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --url, --token and --json; it is called with `service` and `speech`, and may raise our errors."""

    @json_option
    @click.option(
        "--token", envvar="DUBQ_TOKEN", show_envvar=True, callback=values.token, help="The token to be let in with."
    )
    @click.option(
        "--url",
        envvar="DUBQ_URL",
        show_envvar=True,
        callback=values.web_url,
        help="Where the service is.  [default: http://127.0.0.1:5000]",
    )
    @functools.wraps(command)
    def run(*args: Any, url: str | None, token: str | None, speech: Speech, **given: Any) -> None:
        with speech.reporting():
            command(*args, service=Service(url, token), speech=speech, **given)

    return run
