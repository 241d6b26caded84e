"""What is written beside the code says what the code says."""

from __future__ import annotations

import re
import runpy
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import client
from contract.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "client.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CODE = ("client", "api")


def test_the_reference_of_the_client_is_made_of_its_docstrings() -> None:
    assert runpy.run_path(str(REFERENCE / "build.py"))["page"]() == PAGE, "make docs"


def test_the_reference_has_every_public_name_once() -> None:
    headings = [line.removeprefix("### ") for line in PAGE.splitlines() if line.startswith("### ")]
    assert sorted(headings) == sorted({*client.__all__, "AsyncTranslationClient"})


def test_every_public_name_says_what_it_is() -> None:
    silent = [name for name in client.__all__ if not getattr(client, name).__doc__]
    assert silent == []


def test_the_reference_has_no_address_of_an_object_of_this_moment() -> None:
    assert " at 0x" not in PAGE


def anchors(page: Path) -> set[str]:
    """Return what a link can name of a page: its headings, as GitHub writes them in addresses."""
    headings = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)]*)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def constants(name: str) -> list[str]:
    """Return what the code has under a name as patterns of what a page would say: of a backoff, its ends."""
    return [written for each in CODE for module in modules(each) for written in values(getattr(module, name, None))]


def modules(package: str) -> Iterator[object]:
    for path in sorted((ROOT / package).glob("*.py")):
        if path.stem not in {"__init__", "gunicorn_worker", "gunicorn_conf"}:  # which gunicorn alone may import
            yield import_module(f"{package}.{path.stem}")


def values(value: object) -> list[str]:
    if isinstance(value, Backoff):
        return [f"{value.first_s:g}.*{value.cap_s:g}", f"{value.first_s / 2:g} to {value.first_s:g}, doubling"]
    return [f"{value:.10g}"] if isinstance(value, int | float) else []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/roads/*.md")), ids=lambda page: page.name)
def test_the_bounds_of_a_road_are_those_of_the_code(page: Path) -> None:
    rows = re.findall(r"^\| (.*) \| ([^|]*) \|$", page.read_text("utf-8").split("\n## Bounds\n")[1], re.MULTILINE)
    named = [(row, name) for row, names in rows for name in re.findall(r"`([A-Z_]+)`", names)]
    assert named
    for row, name in named:
        assert any(re.search(rf"(?<![\d.]){each}(?![\d.]*\d)", row) for each in constants(name)), f"{name}: {row}"


TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
SECURITY = (ROOT / "docs" / "security.md").read_text("utf-8")
PROMISES = re.findall(r"^\| (.+) \| (`test_.+`) \|$", SECURITY.split("\n## What is promised\n")[1], re.MULTILINE)


def test_every_promise_of_security_names_tests_that_there_are() -> None:
    there = {name for path in ROOT.glob("tests/**/test_*.py") for name in TEST.findall(path.read_text("utf-8"))}
    assert len(PROMISES) > 25
    assert [name for _, names in PROMISES for name in re.findall(r"`(.+?)`", names) if name not in there] == []
    rows = [line for line in SECURITY.splitlines() if line.startswith("| ") and line.count(" | ") == 1]
    assert [row for row in rows if "`test_" not in row and not row.startswith(("| promise", "| ---"))] == []
