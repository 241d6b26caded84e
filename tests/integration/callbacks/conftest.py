from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hooks import SECRET

from client import CallbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.errors import DubqError


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def refused() -> list[DubqError]:
    return []


@pytest.fixture
def server(refused: list[DubqError]) -> Iterator[CallbackServer]:
    with CallbackServer(SECRET, on_refused=refused.append) as running:
        yield running
