"""The README's tour has to work as it is shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from service import Service

README = Path(__file__).parents[2] / "README.md"


def test_the_shown_programs_translate(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    text = README.read_text("utf-8").replace("http://127.0.0.1:5000", service.url)
    programs = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for program in programs:
        names: dict[str, Any] = {}
        exec(program, names)  # noqa: S102 - our own page
    said = capsys.readouterr().out
    assert "https://media.example.com/" in said
    assert sorted(re.findall(r"^(\w\w) completed$", said, re.MULTILINE)) == ["de", "es", "fr"]
