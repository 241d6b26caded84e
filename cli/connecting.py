"""How a command about jobs reaches the service, and what it says when it cannot."""

import functools
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import click
import requests

from client import TranslationClient

from . import admin, values
from .speech import Speech, json_option

Connect = Callable[..., TranslationClient]
"""Opens a client; another one than the real may be handed to the command line as its `obj`."""


class Service:
    """The service that a command was told to use, or else the one that stands on this machine."""

    def __init__(self, url: str | None, token: str | None) -> None:
        self._url, self._token = url, token

    def client(self, client_id: str | None = None) -> TranslationClient:
        """Open a client; one that acts for another than the token's owner, if `client_id` says so."""
        connect: Connect = click.get_current_context().obj or TranslationClient
        if client_id is None:
            return connect(self._url, token=self._token)
        session = requests.Session()
        session.headers["X-Client-Id"] = client_id
        return connect(self._url, token=self._token, session=session)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, client_id: str | None = None
    ) -> dict[str, Any]:
        """Ask for what no client library has a method for. Raises what the service refuses it with."""
        return admin.ask(method, path, body, url=self._url, token=self._token, client_id=client_id)

    def wait_command(self, *job_ids: str) -> str:
        """Return the command that waits for these jobs, for a shell; the token stays out of sight."""
        options = ["--url", self._url] if self._url else []
        # an id may begin with a hyphen, as an option does
        words = [*options, "--", *job_ids] if any(each.startswith("-") for each in job_ids) else [*job_ids, *options]
        return shlex.join(["dubq", "wait", *words])


def _reaching(token_variable: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command --url, --token, --token-file and --json.

    It is called with `service` and `speech`, and may raise our errors.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @json_option
        @click.option(
            "--token-file",
            metavar="FILE",
            callback=values.token_in_file,
            help="A file with the token in it, - for standard input: nobody sees it among the processes.",
        )
        @click.option(
            "--token",
            envvar=token_variable,
            show_envvar=True,
            callback=values.token,
            help="The token to be let in with.",
        )
        @click.option(
            "--url",
            envvar="DUBQ_URL",
            show_envvar=True,
            callback=values.web_url,
            help="Where the service is.  [default: http://127.0.0.1:5000]",
        )
        @functools.wraps(command)
        def run(
            *args: Any, url: str | None, token: str | None, token_file: str | None, speech: Speech, **given: Any
        ) -> None:
            with speech.reporting():
                command(*args, service=Service(url, token_file or token), speech=speech, **given)

        return run

    return decorate


on_service = _reaching("DUBQ_TOKEN")
on_service_as_admin = _reaching("DUBQ_ADMIN_TOKEN")
