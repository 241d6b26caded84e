from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from service import Service
from shell import Shell

from client import TranslationClient
from contract.addresses import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Run the whole service once for all tests that do it no harm: jobs of 0.2 s, two workers, webhooks in a hurry."""
    webhooks = {"DUBQ_WEBHOOK_PRIVATE": LOOPBACK, "DUBQ_WEBHOOK_SPEED": "100"}
    # at this level its log has a line for each read, too
    with Service({"DUBQ_SIM_DURATION": "fixed:0.2", "DUBQ_LOG_LEVEL": "debug", **webhooks}) as running:
        yield running.start(workers=2)


@pytest.fixture
def client(service: Service) -> Iterator[TranslationClient]:
    with TranslationClient(service.url) as connected:
        yield connected


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    found = Shell(tmp_path)
    yield found
    found.end()
