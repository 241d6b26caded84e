"""What the page is drawn of besides its HTML: one stylesheet, and modules that the browser takes as they are."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

import flask

from contract.errors import RouteNotFoundError

STATIC: Final = Path(__file__).parent / "static"
KEPT_S: Final = 365 * 86_400


@cache
def version() -> str:
    """Return what changes with any of the files: modules name one another, so one address holds for all of them."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def url(name: str) -> str:
    """Return the address of a file."""
    return f"/page/static/{version()}/{name}"


def serve(of: str, name: str) -> flask.Response:
    """Answer with a file, for ever if it is of this version. Raises RouteNotFoundError."""
    path = STATIC / name
    if path not in STATIC.iterdir():
        raise RouteNotFoundError
    response = flask.send_file(path, conditional=True)
    response.headers["Cache-Control"] = f"public, max-age={KEPT_S}, immutable" if of == version() else "no-cache"
    return response
