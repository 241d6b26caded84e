"""The OpenAPI document of an application: made of its routes, of what each says of itself, and of the models.

Source: OpenAPI Specification 3.1.1.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from typing import Any, Final

import flask

from contract.errors import AuthenticationError, DubqError, RateLimitedError

from .openapi_calls import OTHERS, TAGS, Call, calls_of
from .openapi_parts import (
    EVERYWHERE,
    HEADERS,
    LIMITS,
    MEMBERS,
    SECURITY,
    SIGNATURE,
    WEBHOOKS,
    Webhook,
    problem_example,
)
from .openapi_schemas import Schemas, spoken_of
from .operations import JSON, Access, Answer, Parameter
from .problems import Problem

VERSION: Final = "3.1.1"
PROBLEM: Final = "application/problem+json"
ABOUT: Final = """\
Long jobs of video translation, and everyone who waits is told the moment they end.

Where tokens are asked for, each client has jobs of its own; to others they do not exist (404). Readers ignore fields
that they do not know. Errors are problem documents (RFC 9457) with a stable `code`. A `POST` of a job with a `job_id`
or an `Idempotency-Key` is safe to send again.
"""


def document(app: flask.Flask, *, auth: bool, engines: Sequence[str]) -> dict[str, Any]:
    """Return the document of all routes of `app` that say something of themselves.

    `auth`: whether tokens are asked for; `engines`: those that a submission may name.
    """
    found = _Writer(calls_of(app), auth=auth).document()
    if submission := found["components"]["schemas"].get("Submission"):
        submission["properties"]["engine"] = {"enum": [*engines, None], "default": None}
    return found


class _Writer:
    """Writes the document of some calls."""

    def __init__(self, calls: Sequence[Call], *, auth: bool) -> None:
        self._calls, self._by_name, self._auth = calls, {call.name: call for call in calls}, auth
        self._responses: dict[str, Any] = {}
        parameters = (each for call in calls for each in call.parameters)
        self._schemas = Schemas(
            [
                (Problem, "serialization"),
                (Webhook, "serialization"),
                *((each.type, "validation") for each in (*SIGNATURE, *parameters)),
                *(each for call in calls for each in spoken_of(call.said)),
            ]
        )

    def document(self) -> dict[str, Any]:
        """Return the whole document."""
        paths: dict[str, Any] = {}
        for call in self._calls:
            paths.setdefault(call.path, {})[call.method.lower()] = self._operation(call)
        return {
            "openapi": VERSION,
            "info": {
                "title": "dubq",
                "version": version("dubq"),
                "summary": "A video-translation job service",
                "description": ABOUT,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "tags": [{"name": name} for name in dict.fromkeys([*TAGS.values(), OTHERS])],
            "paths": paths,
            "webhooks": {name: {"post": self._webhook(name, says)} for name, says in WEBHOOKS.items()},
            "components": {
                "schemas": self._schemas.named,
                "parameters": {each.name: self._parameter(each) for each in EVERYWHERE},
                "headers": HEADERS,
                "responses": dict(sorted(self._responses.items())),
                "securitySchemes": SECURITY,
            },
        }

    def _operation(self, call: Call) -> dict[str, Any]:
        summary, more = call.words
        found: dict[str, Any] = {"operationId": call.name, "tags": [call.tag], "summary": summary}
        if more:
            found["description"] = more
        found["security"] = self._security(call.said.access)
        found["parameters"] = [
            {"$ref": f"#/components/parameters/{each.name}"} if each in EVERYWHERE else self._parameter(each)
            for each in call.parameters
        ]
        if call.said.body:
            schema = self._schemas.of(call.said.body.type, "validation")
            content = {JSON: _media(schema, call.said.body.examples)}
            found["requestBody"] = {"required": call.said.body.is_required, "content": content}
        found["responses"] = self._answers(call) | self._problems(call)
        return found

    def _security(self, access: Access) -> list[dict[str, list[str]]]:
        if access is Access.OPEN:
            return []
        roles = ["admin"] if access is Access.ADMIN else []
        return [{name: roles} for name in SECURITY] + ([] if self._auth else [{}])

    def _parameter(self, parameter: Parameter) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": parameter.name,
            "in": parameter.place,
            "required": parameter.is_required or parameter.place == "path",
            "description": parameter.says,
            "schema": self._schemas.of(parameter.type, "validation"),
        }
        if found["schema"].get("type") == "array":
            found |= {"style": "form", "explode": False}  # with commas
        return found if parameter.example is None else found | {"example": parameter.example}

    def _answers(self, call: Call) -> dict[str, Any]:
        ordered = sorted(call.said.answers, key=lambda each: each.status)
        limits = () if call.said.access is Access.OPEN else LIMITS
        same = groupby(ordered, key=lambda each: each.status)
        return {str(status): self._answer(list(answers), limits) for status, answers in same}

    def _answer(self, same: Sequence[Answer], limits: Sequence[str]) -> dict[str, Any]:
        """Return what answers of one status are, which differ in their content type."""
        headers = _headers(
            ("X-Request-Id", *(name for each in same for name in each.headers)),
            (*(name for each in same for name in each.at_times), *limits),
        )
        found: dict[str, Any] = {"description": " ".join(each.says for each in same), "headers": headers}
        content = {
            each.content_type: _media(self._schemas.of(each.type, "serialization"), each.examples)
            for each in same
            if each.type is not None
        }
        links = {name: self._link(self._by_name[name]) for each in same for name in each.links if name in self._by_name}
        return found | ({"content": content} if content else {}) | ({"links": links} if links else {})

    def _link(self, to: Call) -> dict[str, Any]:
        """Return the way from an answer to another call: what names a thing in its path is in the answer's body."""
        parameters = {name: f"$response.body#/{MEMBERS.get(name, name)}" for name in to.variables}
        return {"operationId": to.name, "parameters": parameters}

    def _problems(self, call: Call) -> dict[str, Any]:
        found = {}
        for status, kinds in call.errors:
            name = "-or-".join(kind.code for kind in kinds)
            self._responses[name] = _problem(kinds)
            found[str(status)] = {"$ref": f"#/components/responses/{name}"}
        return found

    def _webhook(self, name: str, says: str) -> dict[str, Any]:
        schema = self._schemas.of(Webhook, "serialization")
        return {
            "operationId": name,
            "summary": says,
            "security": [],
            "parameters": [self._parameter(each) for each in SIGNATURE],
            "requestBody": {"required": True, "content": {JSON: {"schema": schema}}},
            "responses": {
                "2XX": {"description": "It has arrived."},
                "410": {"description": "The receiver wants no more of it."},
                "default": {"description": "It is sent again, for three days."},
            },
        }


def _headers(always: Iterable[str], at_times: Iterable[str] = ()) -> dict[str, Any]:
    """Return the headers of an answer. One that it may not have is a reference, as a component requires nothing."""
    found = {name: {"$ref": f"#/components/headers/{name}"} for name in at_times}
    return found | {name: HEADERS[name] | {"required": True} for name in always}


def _media(schema: dict[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"schema": schema}
    return found | {"examples": {name: {"value": value} for name, value in examples.items()}} if examples else found


def _problem(kinds: Sequence[type[DubqError]]) -> dict[str, Any]:
    """Return the answer that errors of one status are told by."""
    always = ["X-Request-Id"]
    if any(issubclass(kind, AuthenticationError) for kind in kinds):
        always.append("WWW-Authenticate")
    if all(kind.retryable for kind in kinds):
        always.append("Retry-After")
    at_times = LIMITS if any(issubclass(kind, RateLimitedError) for kind in kinds) else ()
    codes = {"properties": {"code": {"enum": [kind.code for kind in kinds]}}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, codes]}
    return {
        "description": " ".join(f"{kind.title}." for kind in kinds),
        "headers": _headers(always, at_times),
        "content": {PROBLEM: _media(schema, {kind.code: problem_example(kind) for kind in kinds})},
    }
