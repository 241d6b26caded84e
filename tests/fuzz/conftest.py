"""Long runs of chance. Only for those who ask: `make fuzz`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out of every run that does not name it: it takes minutes."""
    del collection_path
    named = (config.invocation_params.dir / word.split("::")[0] for word in config.args)
    return None if any(path.resolve().is_relative_to(HERE) for path in named) else True
