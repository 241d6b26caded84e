"""Holds answers against what the OpenAPI document says of them, and nothing that it does not say."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from flask.testing import FlaskClient
from jsonschema_rs import Draft202012Validator
from werkzeug.exceptions import HTTPException

from api.openapi import document
from api.operations import said_of

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.test import TestResponse


class Documented:
    """The document of an application, as a judge."""

    def __init__(self, app: Flask) -> None:
        self.app, self.document = app, document(app, auth=False, engines=("simulator",))
        self._schemas = closed(self.document["components"])
        self._validators: dict[str, Draft202012Validator] = {}
        self._operations = {
            said["operationId"]: said for methods in self.document["paths"].values() for said in methods.values()
        }

    def resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return what a part of the document refers to, or the part itself."""
        for step in part.get("$ref", "#").split("/")[1:]:
            part = (self.document if step == "components" else part)[step]
        return part

    def judge(self, name: str, answer: TestResponse) -> None:
        """Assert that the call of this name may be answered so."""
        said = self._operations[name]
        assert str(answer.status_code) in said["responses"], f"{name}: {answer.status} is not documented"
        expected = self.resolved(said["responses"][str(answer.status_code)])
        for header, about in expected.get("headers", {}).items():
            assert header in answer.headers or not about.get("required"), f"{name}: {answer.status} without {header}"
        content = expected.get("content", {})
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        assert (kind in content) if content else not kind, f"{name}: {answer.status} is {kind or 'empty'}"
        if kind.endswith("json") and not answer.is_streamed and answer.request.method != "HEAD":
            self.validate(content[kind]["schema"], json.loads(answer.data))

    def validate(self, schema: dict[str, Any], value: Any) -> None:
        """Assert that a value is what a schema of the document says, and has no members besides."""
        key = json.dumps(schema)
        if key not in self._validators:
            self._validators[key] = Draft202012Validator(
                {**closed(schema), "components": self._schemas}, validate_formats=True
            )
        self._validators[key].validate(value)


def closed(schema: Any) -> Any:
    """Return a schema whose objects have the members that it names, and no others."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: closed(each) for name, each in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        return {"additionalProperties": False} | inside
    return inside


documented = cache(Documented)
"""The judge of an application, made once."""


def is_for_eyes(endpoint: str) -> bool:
    """Whether a route is the page's or the documentation's, which the document leaves out: HTML, and what it loads."""
    return endpoint == "docs_part" or endpoint.startswith("page.")


class DocumentedClient(FlaskClient):
    """A test's client that takes no answer for granted which the document does not foresee."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        request = answer.request
        routes = self.application.url_map.bind("localhost")
        try:
            endpoint, _ = routes.match(request.path, method=request.method)
        except HTTPException:  # it is none of the application's calls
            return answer
        judge = documented(self.application)
        if request.method != "OPTIONS" and not is_for_eyes(endpoint):
            said = said_of(self.application.view_functions[endpoint])
            judge.judge((said and said.name) or endpoint, answer)
        return answer
