"""Long runs in bad weather. Only for those who ask: `make soak`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out of every run that does not name it: it takes minutes."""
    del collection_path
    named = (config.invocation_params.dir / word.split("::")[0] for word in config.args)
    return None if any(path.resolve().is_relative_to(HERE) for path in named) else True


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running
