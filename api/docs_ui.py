"""The page that shows the OpenAPI document: Swagger UI from its package, and what starts it. It asks nobody else.

The policy is as strict as the page allows: scripts and styles of our own address, no inline ones, no other hosts.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

START: Final = "start.js"
UI: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", START)
"""What the page loads."""
FOLDER: Final = Path(str(files("flask_swagger_ui"))) / "dist"
"""Where all of it lies, save what starts it."""

PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dubq: the API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<main id="ui">This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
SCRIPT: Final = """\
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
"""
"""`validatorUrl` null: by default the document is sent to a host of Swagger's."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
