"""The page in a real Chromium, on the whole service. Only for those who ask: `make browser-test`.

One service and one browser for all of it; each test has a client of its own, so none sees what another leaves.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright
from service import Service
from visitors import ADMIN, WITHIN_MS, Tenant, Visitor

from client import TranslationClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = itertools.count(1)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out of every run that does not name it: it needs a browser."""
    del collection_path
    named = (config.invocation_params.dir / word.split("::")[0] for word in config.args)
    return None if any(path.resolve().is_relative_to(HERE) for path in named) else True


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "there is no chromium: apt-get install chromium"
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Run a service that asks for tokens, with a worker for many jobs at once."""
    env = {
        "DUBQ_AUTH": "on",
        "DUBQ_ADMIN_TOKEN": ADMIN,
        "DUBQ_WEBHOOK_PRIVATE": "127.0.0.0/8",
        "DUBQ_SIM_DURATION": "fixed:0.5",
    }
    with Service(env) as running:
        running.start_valkey()
        running.start_api()
        running.start_worker("-S", "json", "-c", "worker.rq_config", "-w", "worker.concurrent.ConcurrentWorker")
        yield running


@pytest.fixture
def make_tenant(service: Service) -> Iterator[Callable[[], Tenant]]:
    made: list[Tenant] = []

    def make() -> Tenant:
        body, headers = {"client_id": f"client-{next(NAMES)}"}, {"X-Api-Key": ADMIN}
        told = requests.post(f"{service.url}/clients", json=body, headers=headers, timeout=10).json()
        made.append(Tenant(told["client_id"], told["token"], TranslationClient(service.url, token=told["token"])))
        return made[-1]

    yield make
    for each in made:
        each.client.close()


@pytest.fixture
def tenant(make_tenant: Callable[[], Tenant]) -> Tenant:
    return make_tenant()


@pytest.fixture
def visit(browser: Browser, service: Service) -> Iterator[Callable[..., Visitor]]:
    """Return what opens the page for somebody; at the end none of them may have had anything to complain of."""
    visitors: list[Visitor] = []

    def open_(url: str = service.url, **options: Any) -> Visitor:
        visitors.append(Visitor(browser, url, **options))
        return visitors[-1]

    yield open_
    for each in visitors:
        each.context.close()
    assert [each.complaints for each in visitors] == [[]] * len(visitors)


@pytest.fixture
def page(visit: Callable[..., Visitor], tenant: Tenant) -> Page:
    """Return the page of a client who has signed in."""
    return visit().sign_in(tenant.token)
