"""The OpenAPI document has every route, and says the truth of each."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest
from documented import Documented, is_for_eyes

from api.app import create_app
from api.caller import OPEN
from api.docs_ui import UI
from api.openapi import document
from api.openapi_calls import Call, calls_of
from api.operations import Access, said_of
from api.settings import ApiSettings
from contract.revival import refusals
from store.settings import StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis


DOCS = Path(__file__).parents[2] / "docs"

ADMIN = "the-admin-s-own-token"
SETTINGS = ApiSettings(
    auth=True, admin_token=ADMIN, sim_outages=True, store=StoreSettings(notify_schemes=frozenset({"mailtos"}))
)
APP = create_app(SETTINGS, fakeredis.FakeRedis(version=(7,)))
JUDGE = Documented(APP)
CALLS = calls_of(APP)


def named(call: Call) -> str:
    return f"{call.method} {call.path}"


def test_every_route_says_what_it_does() -> None:
    silent = [
        f"{rule.rule}: put @operation(…) of api/operations.py above {rule.endpoint}"
        for rule in APP.url_map.iter_rules()
        if said_of(APP.view_functions[rule.endpoint]) is None and not is_for_eyes(rule.endpoint)
    ]
    assert silent == []


def test_the_copy_in_docs_is_what_the_routes_say() -> None:
    made = runpy.run_path(str(DOCS / "reference" / "openapi.py"))["text"]()
    assert made == (DOCS / "openapi.json").read_text("utf-8"), "make docs"


def test_the_service_tells_it_to_anybody_and_once() -> None:
    web = APP.test_client()
    answer = web.get("/openapi.json")
    assert answer.get_json() == document(APP, auth=True, engines=SETTINGS.engines)
    again = web.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_loads_what_the_service_has_and_nothing_else() -> None:
    web = APP.test_client()
    page = web.get("/docs")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.get_data(as_text=True))
    assert {each.rpartition("/")[2] for each in loaded} == {*UI, "openapi.json"}
    for each in loaded:
        with web.get(f"/{each}") as part:
            assert part.status_code == 200, each
    assert web.get("/docs/index.html", headers={"X-Api-Key": ADMIN}).status_code == 404


def test_a_service_without_tokens_and_simulator_has_a_document_without_them() -> None:
    app = create_app(ApiSettings(engines=("real",)), fakeredis.FakeRedis(version=(7,)))
    found = document(app, auth=False, engines=("real",))
    assert not [path for path in found["paths"] if path.startswith("/simulator")]
    assert {} in found["paths"]["/jobs"]["post"]["security"]
    assert found["components"]["schemas"]["Submission"]["properties"]["engine"]["enum"] == ["real", None]


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_a_call_needs_the_token_that_it_says(call: Call) -> None:
    path = call.path.replace("{", "").replace("}", "")
    answers = [
        APP.test_client().open(path, method=call.method, headers=headers).status_code
        for headers in ({}, {"X-Api-Key": "wrong"})
    ]
    if call.said.access is Access.OPEN:
        assert call.path in OPEN
        assert 401 not in answers
    else:
        assert answers == [401, 401]


def test_every_code_of_a_refusal_is_in_the_schema_of_problems() -> None:
    codes = JUDGE.document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert set(codes) == {each.code for each in refusals() if each.__module__.startswith("contract.")}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_reference_leads_somewhere_and_nothing_stands_there_in_vain() -> None:
    used = {each.removeprefix("#/components/") for each in references(JUDGE.document)}
    there = {f"{kind}/{name}" for kind, named in JUDGE.document["components"].items() for name in named}
    assert used <= there
    schemes = {each for each in there if each.startswith("securitySchemes/")}
    assert there - used - schemes - {f"headers/{name}" for name in named_outright()} == set()


def named_outright() -> set[str]:
    """Return the headers that stand in answers themselves, because those always have them."""
    found: set[str] = set()
    for methods in JUDGE.document["paths"].values():
        for said in methods.values():
            for each in said["responses"].values():
                found |= JUDGE.resolved(each).get("headers", {}).keys()
    return found


def examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Yield every example of the document: where it stands, its schema, and itself."""
    for path, methods in JUDGE.document["paths"].items():
        for method, said in methods.items():
            for status, each in {"": said.get("requestBody", {}), **said["responses"]}.items():
                for kind, media in JUDGE.resolved(each).get("content", {}).items():
                    for name, example in media.get("examples", {}).items():
                        yield f"{method} {path} {status} {kind} {name}", media["schema"], example["value"]
            for parameter in map(JUDGE.resolved, said["parameters"]):
                if "example" in parameter:
                    yield f"{method} {path} {parameter['name']}", parameter["schema"], parameter["example"]


@pytest.mark.parametrize(("schema", "value"), [pytest.param(*rest, id=where) for where, *rest in examples()])
def test_an_example_is_what_its_schema_says(schema: dict[str, Any], value: Any) -> None:
    JUDGE.validate(schema, value)


@pytest.mark.parametrize("call", CALLS, ids=named)
def test_every_answer_with_a_body_has_an_example(call: Call) -> None:
    if call.path != "/openapi.json":
        assert [each.status for each in call.said.answers if each.type and not each.examples] == []
        assert call.said.body is None or call.said.body.examples


def test_each_example_of_a_body_is_answered_as_documented(connection: redis.Redis) -> None:
    web = create_app(SETTINGS, connection).test_client()
    for call in sorted(CALLS, key=lambda each: each.path == "/simulator/outage"):  # which befalls those after it
        for body in call.said.body.examples.values() if call.said.body else ():
            path = call.path.replace("{name}", "acme")
            answer = web.open(path, method=call.method, json=body, headers={"X-Api-Key": ADMIN})
            assert answer.status_code in {each.status for each in call.said.answers}, (named(call), answer.data)
            JUDGE.judge(call.name, answer)
