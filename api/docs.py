"""The routes by which the service describes itself: the OpenAPI document, and the page that shows it."""

import hashlib
import json
from typing import Any

import flask

from contract.errors import RouteNotFoundError

from .docs_ui import FOLDER, PAGE, POLICY, SCRIPT, START, UI
from .openapi import document
from .operations import Access, Answer, operation
from .settings import ApiSettings


class DocsRoutes:
    """GET /openapi.json, /docs and what that page loads."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._written: tuple[bytes, str] | None = None

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/openapi.json", view_func=self.openapi)
        app.add_url_rule("/docs", view_func=self.docs)
        app.add_url_rule("/docs/<name>", view_func=self.docs_part)

    @operation(
        Answer(200, "The document.", dict[str, Any], headers=("ETag",), examples={"short": {"openapi": "3.1.1"}}),
        Answer(304, "It is as the caller knows it.", headers=("ETag",)),
        access=Access.OPEN,
    )
    def openapi(self) -> flask.Response:
        """Answer with this very document."""
        body, etag = self._written = self._written or self._write()
        response = flask.Response(body, content_type="application/json")
        response.set_etag(etag)
        response.headers["Cache-Control"] = "no-cache"
        response.make_conditional(flask.request)
        return response

    @operation(
        Answer(200, "A page.", str, content_type="text/html", examples={"short": "<!doctype html>…"}),
        access=Access.OPEN,
    )
    def docs(self) -> flask.Response:
        """Show this document to people."""
        response = flask.Response(PAGE, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        return response

    def docs_part(self, name: str) -> flask.Response:
        """Answer with what the page loads. Raises RouteNotFoundError."""
        if name not in UI:
            raise RouteNotFoundError
        if name == START:
            return flask.Response(SCRIPT, content_type="text/javascript; charset=utf-8")
        return flask.send_from_directory(FOLDER, name, max_age=3600)

    def _write(self) -> tuple[bytes, str]:
        """Return the document, once all routes are there, and what tells it from others."""
        made = document(flask.current_app, auth=self._settings.auth, engines=self._settings.engines)
        body = json.dumps(made, ensure_ascii=False).encode()
        return body, hashlib.sha256(body).hexdigest()[:16]
