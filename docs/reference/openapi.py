"""Makes openapi.json, one folder up, of what the routes say of themselves: `make docs`."""

import json
from pathlib import Path
from typing import Final

import redis

from api.app import create_app
from api.openapi import document
from api.settings import ApiSettings

FILE: Final = Path(__file__).parents[1] / "openapi.json"


def text() -> str:
    """Return the document of a service that has all routes there are, and asks for tokens."""
    settings = ApiSettings(auth=True, sim_outages=True)
    app = create_app(settings, redis.Redis())  # which nobody asks anything
    return json.dumps(document(app, auth=settings.auth, engines=settings.engines), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
