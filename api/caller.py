"""Who is asking: known before any route is entered, and nobody who is not known enters one."""

from collections.abc import Callable
from hmac import compare_digest
from time import monotonic
from typing import Final

import flask
import structlog

from contract.errors import AuthenticationError, ForbiddenError, TokenInUrlError
from contract.ids import DEFAULT_CLIENT, is_client_id
from store.credentials import sha256
from store.door import Caller, Door
from store.sessions import Sessions

from .address import address_of
from .docs_ui import UI
from .incoming import is_from_elsewhere
from .settings import ApiSettings

OPEN: Final = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs", *(f"/docs/{each}" for each in UI)})
"""What is asked by those who have no token: probes, and browsers that show how to get on."""
METRICS: Final = "/metrics"
"""What the admin may read, and whoever has the token for it alone."""
OPEN_UNDER: Final = ("/page/login", "/page/static/")
"""And where a browser shows one, with what the page is drawn of."""
SESSION: Final = "dubq_session"
"""The cookie that a browser shows in the place of a token."""
ACTING_FOR: Final = "X-Client-Id"
"""The header by which the admin says on whose behalf it acts."""
KNOWN_FOR_S: Final = 1.0
"""So long a process relies on what it has read of a token, unless it is told before that one has ended."""
MOST_KNOWN: Final = 10_000
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_IN_URL: Final = frozenset({"token", "access_token", "api_key", "apikey", "x-api-key", "authorization", "bearer"})


def caller() -> Caller:
    """Return who makes the current request."""
    found: Caller = flask.g.caller
    return found


def client_id() -> str:
    """Return the tenant on whose behalf the current request is made."""
    return caller().client_id


def admin_only() -> None:
    """Raise ForbiddenError unless the admin makes the current request."""
    if not caller().is_admin:
        raise ForbiddenError("only the admin's token opens this")


class Doorkeeper:
    """Lets requests in by their tokens, or by sessions that stand for these. `clock` is monotonic, in seconds."""

    def __init__(
        self, settings: ApiSettings, door: Door, sessions: Sessions, clock: Callable[[], float] = monotonic
    ) -> None:
        self._settings, self._door, self._sessions, self._clock = settings, door, sessions, clock
        self._known: dict[tuple[str, str, str], tuple[Caller, float]] = {}

    def mount(self, app: flask.Flask) -> None:
        """Have every request of `app` looked at before its route is entered."""
        app.before_request(self._let_in)

    def forget(self) -> None:
        """Rely on nothing that was read before."""
        self._known = {}

    def _let_in(self) -> None:
        """Note who is asking. Raises one of AuthenticationError, TokenInUrlError, ForbiddenError, RateLimitedError."""
        if flask.request.query_string and not _IN_URL.isdisjoint(name.lower() for name in flask.request.args):
            raise TokenInUrlError
        path = flask.request.path
        if path in OPEN or path.startswith(OPEN_UNDER) or (path == METRICS and self._scrapes()):
            return
        flask.g.caller = _acting(self._who())
        structlog.contextvars.bind_contextvars(client_id=flask.g.caller.client_id)
        if flask.request.path == METRICS:
            admin_only()

    def _scrapes(self) -> bool:
        """Whether the request shows the token that opens the metrics, and nothing else."""
        given = self._settings.metrics_token
        return bool(given) and self._settings.auth and compare_digest(sha256(given or ""), sha256(_token()))

    def whose(self, token_sha256: str) -> Caller:
        """Return whom the token with this SHA-256 stands for. Raises AuthenticationError or TooManyWrongTokensError."""
        given = self._settings.admin_token
        is_given = compare_digest(sha256(given), token_sha256) if given else None
        found = self._door.whose(token_sha256, self._address(), is_given=is_given)
        if found is None:
            raise AuthenticationError("this token is none, or none any more")
        return found

    def _who(self) -> Caller:
        """Return who makes the request. Raises AuthenticationError, ForbiddenError or TooManyWrongTokensError."""
        if not self._settings.auth:
            return Caller(DEFAULT_CLIENT, is_admin=True)
        shown = *_shown(), self._address()
        known, until_s = self._known.get(shown, (None, 0.0))
        if known and self._clock() < until_s:
            return known
        found = self._look_up(*shown[:2])
        if len(self._known) >= MOST_KNOWN:
            self.forget()
        self._known[shown] = found, self._clock() + KNOWN_FOR_S
        return found

    def _look_up(self, token: str, session: str) -> Caller:
        stands_for = sha256(token) if token else self._sessions.token_of(session)
        if stands_for is None:
            raise AuthenticationError("this session is over")
        return self.whose(stands_for)

    def _address(self) -> str:
        forwarded = ",".join(flask.request.headers.getlist("X-Forwarded-For"))
        return address_of(flask.request.remote_addr, forwarded, self._settings.proxies)


def from_here_only() -> None:
    """Raise ForbiddenError for what a page of another origin has a browser ask for, if that may change something.

    For requests that show no token: a browser adds a cookie.
    """
    if flask.request.method not in _SAFE and is_from_elsewhere():
        raise ForbiddenError("this was sent by a page from elsewhere")


def _shown() -> tuple[str, str]:
    """Return the token that the request shows, or else the session. Raises AuthenticationError or ForbiddenError."""
    environ = flask.request.environ
    session = flask.request.cookies.get(SESSION) if "HTTP_COOKIE" in environ else None
    if session and not (environ.get("HTTP_AUTHORIZATION") or environ.get("HTTP_X_API_KEY")):
        from_here_only()
        return "", session
    return _token(), ""


def _token() -> str:
    """Return the token that the request shows. Raises AuthenticationError."""
    environ: dict[str, str] = flask.request.environ
    scheme, _, bearer = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    shown = {bearer.strip()} if scheme.lower() == "bearer" else set()
    shown |= {environ.get("HTTP_X_API_KEY", "").strip()}
    shown -= {""}
    if len(shown) != 1:
        reason = "two different tokens were sent" if shown else "send it as `Authorization: Bearer …` or `X-Api-Key: …`"
        raise AuthenticationError(f"{AuthenticationError.title}: {reason}")
    return shown.pop()


def _acting(who: Caller) -> Caller:
    """Return who asks on whose behalf. Raises ForbiddenError for whoever is not the admin and names another."""
    named = flask.request.headers.get(ACTING_FOR)
    if named is None or named == who.client_id:
        return who
    if not (who.is_admin and is_client_id(named)):
        raise ForbiddenError(f"{ACTING_FOR} is for the admin, and names a client")
    return Caller(named, is_admin=True)
