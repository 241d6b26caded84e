"""Web pages as callers: which of them may use the service. None but its own, unless the operator names their origins.

A page of any origin can have its visitor's browser send requests to wherever the visitor can reach. Where tokens are
asked for it lacks one. Where none are, two things give it away: its origin, and, if it has a name of its own lead to
this machine, that name.
"""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import flask

from contract.errors import ForbiddenError

from .caller import OPEN
from .incoming import is_from_elsewhere

METHODS: Final = "DELETE, GET, PATCH, POST"
SENT: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, X-Api-Key, X-Client-Id, "
    "X-Request-Id"
)
TOLD: Final = "ETag, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
MAX_AGE_S: Final = 600
_PORT: Final = re.compile(r":[0-9]*$")
_HOMELY: Final = frozenset({"localhost", "local", "internal"})
"""What names end in that nobody on the Internet can have."""


class Origins:
    """Lets in pages of the `allowed` origins. `asks`: whether everybody else needs a token."""

    def __init__(self, allowed: frozenset[str], *, asks: bool) -> None:
        self._allowed, self._asks = allowed, asks
        self._hosts = {urlsplit(each).hostname for each in allowed}

    def mount(self, app: flask.Flask) -> None:
        """Have every request of `app` looked at, and its answer shared with the page that it is for."""
        app.before_request(self._let_in)
        app.after_request(self._share)

    def _let_in(self) -> flask.Response | None:
        """Answer whoever asks beforehand. Raises ForbiddenError."""
        headers = flask.request.headers
        origin = headers.get("Origin")
        if origin in self._allowed:
            is_asking = flask.request.method == "OPTIONS" and "Access-Control-Request-Method" in headers
            return _permission() if is_asking else None
        if self._asks or flask.request.path in OPEN:
            return None
        if is_from_elsewhere():
            raise ForbiddenError("a web page from elsewhere may not use this service; DUBQ_ORIGINS can allow it")
        if not self._is_ours(flask.request.host):
            raise ForbiddenError("this service asks for no token, so it goes by no name; DUBQ_ORIGINS can give it one")
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether no name was used that anybody may have lead to this machine."""
        name = (host.rpartition(":")[0] if _PORT.search(host) else host).lower()
        return (
            name in self._hosts
            or "." not in name
            or name.rpartition(".")[2] in _HOMELY
            or _is_address(name.strip("[]"))
        )

    def _share(self, response: flask.Response) -> flask.Response:
        if self._allowed:
            response.vary.add("Origin")
            origin = flask.request.headers.get("Origin", "")
            if origin in self._allowed:
                response.headers["Access-Control-Allow-Origin"] = origin
                response.headers["Access-Control-Expose-Headers"] = TOLD
        return response


def _permission() -> flask.Response:
    """Return what a browser wants to hear before it sends a page's request. Source: Fetch Standard, section 3.3."""
    response = flask.Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = METHODS
    response.headers["Access-Control-Allow-Headers"] = SENT
    response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
    return response


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
