"""What may be given to options of several commands, refused before anybody is asked."""

import json
import math
import re
from typing import Any, Final

import click
import requests

from contract.ids import is_job_id
from contract.resume import parse

from .exits import BadValueError

_VISIBLE: Final = re.compile(r"[\x21-\x7e]*")


class Seconds(click.FloatRange):
    """A finite number of seconds; the range alone would let NaN through, which is neither too small nor too large."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number. Raises BadParameter."""
        found: float = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return found


def web_url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the URL of a service, or None where none is given. Raises BadParameter."""
    if not value:
        return None
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} has to begin with http:// or https://")
    try:
        requests.Request("GET", value).prepare()
    except ValueError:  # no host, a space in it, a port that is none: whatever no request can be made to
        raise click.BadParameter(f"{value!r} has to be a URL such as http://127.0.0.1:5000") from None
    return value


def token(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return a token that a header can carry, or None where none is given. Raises BadParameter, without showing it."""
    if value and not _VISIBLE.fullmatch(value):
        raise click.BadParameter("it has to consist of visible ASCII characters")
    return value or None


def token_in_file(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the token that a file has (-: standard input), or None where none is given. Raises BadParameter."""
    if value is None:
        return None
    try:
        with click.open_file(value, encoding="utf-8") as file:
            found = token(context, parameter, file.read().strip())
    except (OSError, UnicodeDecodeError):
        raise click.BadParameter("it cannot be read") from None
    if not found:
        raise click.BadParameter("it is empty")
    return found


def job_id_of(text: str) -> str:
    """Return the job id that an id or a resume token names.

    Raises ResumeTokenError for a token of another version, and BadValueError for what can be neither.
    """
    job_id = parse(text)
    if not is_job_id(job_id):
        raise BadValueError(f"{text!r} is no job id: letters, digits, _ and -, 64 at most")
    return job_id


def json_object(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """Return a JSON object, or None where none is given. Raises BadParameter."""
    if value is None:
        return None
    try:
        found = json.loads(value)
        json.dumps(found, allow_nan=False)  # Python reads NaN and 1e999, which nobody else calls JSON
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"it is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.BadParameter("it has to be a JSON object")
    return found


def pairs(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return NAME=VALUE pairs as a mapping. Raises BadParameter."""
    if wrong := [value for value in values if "=" not in value]:
        raise click.BadParameter(f"{wrong[0]!r} has to be NAME=VALUE")
    return dict(value.partition("=")[::2] for value in values)
