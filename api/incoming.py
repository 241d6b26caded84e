"""Reading a request: its body, its parameters and its headers, each checked before it is used."""

import json
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import flask
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]  # it has no stubs
from werkzeug.http import parse_list_header, parse_options_header

from contract.errors import (
    FieldProblem,
    InvalidFieldsError,
    JobNotFoundError,
    MediaTypeError,
    NotJsonError,
    RequestError,
    SlowBodyError,
)
from contract.ids import is_job_id

from .bodies import LateBodyError
from .problems import invalid, too_large
from .shedding import at_rest

_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_SECONDS: Final = re.compile(r"0*[1-9][0-9]*")
_OF_HERE: Final = frozenset({"same-origin", "none"})
"""What browsers call pages of the service's own, and what its user has typed."""
MAX_WAIT_S: Final = 60
"""For so long an answer is held at most."""


def json_object() -> dict[str, Any]:
    """Return the request's body, a JSON object in UTF-8.

    Raises MediaTypeError, NotJsonError or BodyTooLargeError.
    """
    coding = flask.request.headers.get("Content-Encoding", "identity").lower()
    if flask.request.mimetype != "application/json" or coding != "identity":
        raise MediaTypeError
    return parse_object(body())


def body() -> bytes:
    """Return the request's body.

    Raises BodyTooLargeError, werkzeug's own of the kind, SlowBodyError or RequestError.
    """
    try:
        with at_rest():
            raw = flask.request.get_data()
    except LateBodyError as error:
        raise SlowBodyError(str(error)) from None
    except ParseException as error:
        raise RequestError(f"the body is sent in broken chunks: {error}") from None
    # a body without a Content-Length is read up to the limit and cut there, without a word
    if len(raw) == flask.request.max_content_length:
        raise too_large()
    return raw


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object; NaN, infinities, names given twice and lone surrogates are no JSON here.

    Raises NotJsonError.
    """
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
        if "\\u" in text:
            # an escape can smuggle in half a surrogate pair, which is no text and cannot be stored
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise NotJsonError("the body is nested too deeply") from None
    except ValueError as error:  # not UTF-8, not JSON, or a number too long to read
        raise NotJsonError(f"the body is not JSON: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise NotJsonError("the body has to be a JSON object")
    return value


def parameters(allowed: AbstractSet[str]) -> dict[str, str]:
    """Return the query's parameters. Raises InvalidFieldsError for unknown ones and those given twice."""
    given = flask.request.args
    wrong = [FieldProblem(name[:100], "there is no such parameter") for name in given if name not in allowed]
    wrong += [FieldProblem(name, "was given twice") for name in sorted(allowed) if len(given.getlist(name)) > 1]
    if wrong:
        raise InvalidFieldsError(wrong[:50])
    return given.to_dict()


def known_job_id(text: str) -> str:
    """Return `text` if it can be a job's id. Raises JobNotFoundError otherwise: no job has such a name."""
    if not is_job_id(text):
        raise JobNotFoundError("a job_id is 1 to 64 of A-Z a-z 0-9 _ -, so there is no such job")
    return text


def is_from_elsewhere() -> bool:
    """Whether a page of another origin has a browser ask for this; whoever is no browser says nothing of that.

    Not so if its user was led here by a link. Source: Fetch Metadata Request Headers, section 2; RFC 6454, section 7.
    """
    headers = flask.request.headers
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site in _OF_HERE:
        return False
    if origin is not None:
        return origin.partition("://")[2].lower() != flask.request.host.lower()
    return site is not None and headers.get("Sec-Fetch-Mode") != "navigate"


def idempotency_key() -> str | None:
    """Return the Idempotency-Key header, if there is one. Raises InvalidFieldsError."""
    key = flask.request.headers.get("Idempotency-Key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise invalid("Idempotency-Key", "has to be 1 to 255 visible ASCII characters")
    return key


def prefers_representation() -> bool:
    """Whether the caller asked for the whole document. Source: RFC 7240, section 4.2."""
    return _preferences().get("return", ("", {}))[0] == "representation"


@dataclass(frozen=True, slots=True)
class Wait:
    """For how many seconds the caller prefers to wait for news, or until the job is done; as the answer repeats it.

    Until then it wants to be told every `ping_s` that its line is there, if that is not None.
    """

    seconds: int
    until_done: bool
    ping_s: int | None = None

    def __str__(self) -> str:
        ping = "" if self.ping_s is None else f"; ping={self.ping_s}"
        return f"wait={self.seconds}" + ("; until=done" if self.until_done else "") + ping


def wait_preferred() -> Wait | None:
    """Return how long the caller prefers to wait, if it does; what cannot be understood counts as no preference.

    Source: RFC 7240, sections 2 and 4.3; `until` and `ping` are our own.
    """
    text, parameters = _preferences().get("wait", ("", {}))
    seconds, ping_s = _seconds(text), _seconds(parameters.get("ping", ""))
    until_done = parameters.get("until", "").lower() == "done"
    return Wait(seconds, until_done=until_done, ping_s=ping_s) if seconds else None


def _seconds(text: str) -> int | None:
    """Return a whole number of seconds, from 1 to the most that an answer is held; None if it is none."""
    # more digits than that are more than enough, and Python reads no endless ones
    return min(MAX_WAIT_S, int(text.lstrip("0")[:3])) if _SECONDS.fullmatch(text) else None


def limit(text: str, most: int) -> int:
    """Return how many entries a page shall have. Raises InvalidFieldsError unless that is 1 to `most`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise invalid("limit", f"has to be a whole number from 1 to {most}")
    return int(text)


def _preferences() -> dict[str, tuple[str, dict[str, str]]]:
    """Return the caller's preferences by their names, each with its value and parameters; the first of a name counts.

    Source: RFC 7240, section 2.
    """
    found: dict[str, tuple[str, dict[str, str]]] = {}
    if "HTTP_PREFER" not in flask.request.environ:  # as in most requests
        return found
    for each in parse_list_header(",".join(flask.request.headers.getlist("Prefer"))):
        preference, parameters = parse_options_header(each)
        name, _, value = preference.partition("=")
        found.setdefault(name.strip().lower(), (value.strip().strip('"').lower(), parameters))
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name is given twice in one object")
    return made


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)
