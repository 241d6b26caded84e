"""How a command speaks: words for people, and with --json one document per line on standard output for programs."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from contract.errors import DubqError, SettingsError

from .exits import BadValueError, Exit, exit_of


class Speech:
    """What a command says. Results go to standard output; all else goes to standard error.

    The streams are named each time: on its own click would write past whatever draws on the terminal meanwhile.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, document: Mapping[str, Any], words: str) -> None:
        """Say what the command was run for."""
        click.echo(json.dumps(document, ensure_ascii=False) if self.as_json else words, file=sys.stdout)

    def note(self, words: str) -> None:
        """Say something beside it."""
        click.echo(words, file=sys.stderr)

    def error(self, error: DubqError, status: Exit) -> None:
        """Say what went wrong."""
        if self.as_json:
            document = {"code": error.code, "message": str(error), "job_id": error.job_id, "exit_status": int(status)}
            click.echo(json.dumps({"error": document}, ensure_ascii=False), file=sys.stdout)
            return
        for line in error.problems if isinstance(error, SettingsError) else (str(error),):
            click.secho(f"dubq: {line}", fg="red", file=sys.stderr)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Turn an error of ours, and what makes no sense further down, into words and its exit status."""
        try:
            yield
        except (DubqError, ValueError) as error:
            known = error if isinstance(error, DubqError) else BadValueError(str(error))
            status = exit_of(known)
            self.error(known, status)
            raise click.exceptions.Exit(status) from None
        except KeyboardInterrupt:
            raise click.exceptions.Exit(Exit.INTERRUPTED) from None


def shown_as_json(_context: click.Context, _parameter: click.Parameter, value: bool) -> Speech:  # noqa: FBT001 - click calls it
    """Make a command's Speech of its --json."""
    return Speech(as_json=value)


json_option = click.option(
    "--json", "speech", is_flag=True, callback=shown_as_json, help="Answer in JSON on standard output, for programs."
)
