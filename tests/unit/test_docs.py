"""What is written beside the code says what the code says."""

from __future__ import annotations

import runpy
from pathlib import Path

import client

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "client.md").read_text("utf-8")


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
