"""What all of the page has in common: its frame, its headers, its ways of refusing, and what its sections are.

A section is a template that extends `page/layout.html`, a view on this blueprint that returns `shell.render(…)`, a line
in `SECTIONS`, and a module in `static/` that takes what is new from `live.js`. Colours and distances are custom
properties at the top of `page.css`; neither scripts nor styles may stand in the HTML.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import flask

from api.caller import caller
from api.problems import problem
from api.settings import ApiSettings
from contract.errors import AuthenticationError, DubqError, RouteNotFoundError

from . import assets

CONTENT_SECURITY: Final = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self'; "
    "img-src 'self'; "
    "connect-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; "
    "frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # more would tell other sites of jobs, less would hide from us that a form was sent by this very page
    "Referrer-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What the layout shows around a section. `client_id` is None where nobody has been let in."""

    section: str
    client_id: str | None
    is_admin: bool
    asks_for_tokens: bool
    simulates: bool
    has_rq: bool
    now_ms: int


class Section(NamedTuple):
    """A part of the page, by its endpoint, as the navigation names it to whom it `shows`."""

    endpoint: str
    words: str
    shows: Callable[[Frame], bool] = lambda _: True


SECTIONS: Final = (
    Section("page.jobs", "Jobs"),
    Section("page.submit", "Submit"),
    Section("page.service", "Service", lambda frame: frame.is_admin),
    Section("page.simulator", "Simulator", lambda frame: frame.simulates),
    Section("page.notifications", "Notify"),
)


class Shell:
    """The blueprint that everything of the page is mounted on. `clock` returns aware UTC times."""

    def __init__(self, settings: ApiSettings, clock: Callable[[], datetime]) -> None:
        self._settings, self._clock = settings, clock
        self.blueprint = flask.Blueprint("page", __name__, template_folder="templates")
        self.blueprint.after_request(_guard)
        self.blueprint.register_error_handler(DubqError, self.refuse)
        self.blueprint.add_url_rule("/page/static/<of>/<name>", "static", assets.serve)

    def mount(self, app: flask.Flask) -> None:
        """Put all that was mounted on the blueprint into `app`."""
        app.register_blueprint(self.blueprint)

    def render(self, template: str, status: int = 200, /, **facts: Any) -> flask.Response:
        """Return a page of the section that the request is about."""
        frame = self._frame()
        sections = [each for each in SECTIONS if each.shows(frame)]
        html = flask.render_template(f"page/{template}", frame=frame, sections=sections, asset=assets.url, **facts)
        return flask.Response(html, status=status, content_type="text/html; charset=utf-8")

    def refuse(self, error: DubqError) -> flask.Response:
        """Answer a browser's own requests in HTML, and those of modules as the API does."""
        response = problem(error)
        if "text/html" not in flask.request.headers.get("Accept", ""):
            return response
        template = "login.html" if isinstance(error, AuthenticationError) else "refusal.html"
        there = flask.request.full_path.rstrip("?") if flask.request.method == "GET" else "/"
        shown = self.render(template, response.status_code, error=error, there=there, wrong="")
        response.set_data(shown.get_data())
        response.content_type = shown.content_type
        return response

    def _frame(self) -> Frame:
        who = caller() if "caller" in flask.g else None
        return Frame(
            section=flask.request.endpoint or "",
            client_id=who.client_id if who else None,
            is_admin=bool(who and who.is_admin),
            asks_for_tokens=self._settings.auth,
            simulates=self._settings.simulates,
            has_rq=bool(who and who.is_admin and "page.rq" in flask.current_app.view_functions),
            now_ms=round(self._clock().timestamp() * 1000),
        )


def own_only(name: str) -> None:
    """Raise RouteNotFoundError unless the caller may see this client's jobs: for others there is no such page."""
    who = caller()
    if not who.is_admin and name != who.client_id:
        raise RouteNotFoundError


def _guard(response: flask.Response) -> flask.Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
