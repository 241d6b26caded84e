"""Signing in and out: the token goes in by a form, and the browser gets a cookie that stands for it."""

from typing import Final
from urllib.parse import urlsplit

import flask

from api.caller import SESSION, Doorkeeper, from_here_only
from contract.errors import AuthenticationError
from store.credentials import sha256
from store.sessions import KEPT_S, Sessions

from .shell import Shell

_MOST: Final = 200
"""Characters that a token may have."""


class SessionRoutes:
    """GET and POST /page/login, POST /page/logout."""

    def __init__(self, shell: Shell, doorkeeper: Doorkeeper, sessions: Sessions) -> None:
        self._shell, self._doorkeeper, self._sessions = shell, doorkeeper, sessions
        shell.blueprint.add_url_rule("/page/login", "login", self.form)
        shell.blueprint.add_url_rule("/page/login", "sign_in", self.sign_in, methods=["POST"])
        shell.blueprint.add_url_rule("/page/logout", "sign_out", self.sign_out, methods=["POST"])

    def form(self) -> flask.Response:
        """Ask for a token."""
        return self._shell.render("login.html", there="/", wrong="")

    def sign_in(self) -> flask.Response:
        """Begin a session if the token counts; else ask again, as the API refuses it: 401, and no more said."""
        from_here_only()
        there = _within(flask.request.form.get("there", "/"))
        stands_for = sha256(flask.request.form.get("token", "")[:_MOST].strip())
        try:
            self._doorkeeper.whose(stands_for)
        except AuthenticationError as error:
            return self._shell.render("login.html", AuthenticationError.status, there=there, wrong=str(error))
        response = flask.redirect(there, 303)
        response.set_cookie(
            SESSION,
            self._sessions.begin(stands_for),
            max_age=KEPT_S,
            httponly=True,
            samesite="Strict",
            # whoever forwards to us speaks plain HTTP; the browser says how it was asked
            secure=flask.request.headers.get("Origin", "").startswith("https://"),
        )
        return flask.make_response(response)

    def sign_out(self) -> flask.Response:
        """End the session."""
        self._sessions.end(flask.request.cookies.get(SESSION, ""))
        self._doorkeeper.forget()
        response = flask.make_response(flask.redirect("/page/login", 303))
        response.delete_cookie(SESSION, httponly=True, samesite="Strict")
        return response


def _within(there: str) -> str:
    """Return where to go next if that is a path of ours, else the start."""
    parts = urlsplit(there)
    is_ours = there.startswith("/") and not there.startswith(("//", "/\\")) and not parts.netloc
    return there if is_ours and there.isprintable() else "/"
