from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import client as package
from client import AsyncTranslationClient, TranslationClient

FOR_TESTS = {"session", "clock", "sleep", "chance", "now"}
WITHOUT_AIOHTTP = "import sys; sys.modules['aiohttp'] = sys.modules['redis'] = None; "


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_the_client_is_imported_without_redis_without_aiohttp_and_without_the_service() -> None:
    foreign = "{'redis', 'aiohttp', 'asyncio', 'flask', 'rq', 'pydantic', 'store', 'api'} & set(sys.modules)"
    assert run(f"import client, sys; from client import *; print({foreign})") == "set()"


def test_the_asynchronous_client_says_which_extra_it_lacks() -> None:
    program = f"""{WITHOUT_AIOHTTP}
import client
try:
    client.AsyncTranslationClient
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(program) == "AsyncTranslationClient needs the package aiohttp: pip install 'dubq[async]'"


def test_the_asynchronous_client_is_imported_without_redis() -> None:
    assert run("import sys; sys.modules['redis'] = None; from client import AsyncTranslationClient; print(1)") == "1"


def test_the_client_is_imported_without_the_webhooks_library_and_says_what_to_install() -> None:
    program = """
import sys
sys.modules['standardwebhooks'] = None
import client
from client import *
for name in ('webhooks', 'CallbackServer', 'WebhookEvent'):
    try:
        getattr(client, name)
    except ModuleNotFoundError as error:
        print(error)
"""
    words = "client.webhooks needs the package standardwebhooks: pip install 'dubq[webhooks]'"
    assert run(program).splitlines() == [words] * 3


def test_a_star_import_needs_no_package_that_not_everybody_has() -> None:
    program = (
        WITHOUT_AIOHTTP
        + "sys.modules['standardwebhooks'] = None; from client import *; print(TranslationClient.__name__)"
    )
    assert run(program) == "TranslationClient"


def test_webhooks_are_received_without_redis_and_aiohttp() -> None:
    program = (
        f"{WITHOUT_AIOHTTP}import client; from client import CallbackServer, webhooks; print(client.webhooks.verify)"
    )
    assert "function verify" in run(program)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = package.Nonsense


def test_everything_in_the_package_s_list_is_there() -> None:
    assert all(hasattr(package, name) for name in package.__all__)


def faces_of(name: str) -> tuple[Any, Any]:
    return getattr(TranslationClient, name), getattr(AsyncTranslationClient, name)


METHODS = [*sorted(name for name in vars(TranslationClient) if not name.startswith("_")), "__init__"]


def test_both_faces_have_the_same_methods() -> None:
    assert METHODS[:-1] == sorted(name for name in vars(AsyncTranslationClient) if not name.startswith("_"))


@pytest.mark.parametrize("name", METHODS)
def test_both_faces_take_the_same(name: str) -> None:
    blocking, awaited = (
        [
            (each.name, each.kind, each.default, each.annotation)
            for each in inspect.signature(method).parameters.values()
            if not (name == "__init__" and each.name in FOR_TESTS)
        ]
        for method in faces_of(name)
    )
    assert blocking == awaited


@pytest.mark.parametrize("name", [name for name in METHODS if name not in {"__init__", "close"}])
def test_both_faces_promise_the_same(name: str) -> None:
    blocking, awaited = faces_of(name)
    assert blocking.__doc__ == awaited.__doc__
    results = [str(inspect.signature(method).return_annotation) for method in (blocking, awaited)]
    assert "Async" in results[1] or results[0] == results[1]
