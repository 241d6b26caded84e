"""The line on which news come is lost in every way there is: the page says so, and is up to date again by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from service import kill_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lines import Lines
    from playwright.sync_api import Page
    from proxy import Proxy
    from service import Service
    from visitors import Tenant, Visitor

LOST = "Connection lost, trying again"


@pytest.fixture
def behind(lines: Lines, service: Service) -> Iterator[Proxy]:
    """Return a line to the service that a test can break."""
    proxy = lines.to(service.port)
    yield proxy
    proxy.resume()


@pytest.fixture
def page(visit: Callable[..., Visitor], tenant: Tenant, behind: Proxy) -> Page:
    opened = visit(f"http://127.0.0.1:{behind.port}").sign_in(tenant.token)
    expect(opened.locator("#line")).to_have_text("Live")
    opened.evaluate("window.isTheSame = true")
    return opened


def catches_up(page: Page, tenant: Tenant, job_id: str) -> None:
    """What has happened meanwhile is there, with the line, and without a reload."""
    expect(page.locator("#line")).to_have_text("Live")
    expect(page.locator("#jobs tbody tr .c-state").first).to_have_text(str(tenant.client.get_status(job_id).state))
    expect(page.locator('[data-count="completed"]')).to_have_text("1")
    assert page.evaluate("window.isTheSame")


def test_a_service_that_was_killed_and_started_again(page: Page, tenant: Tenant, service: Service) -> None:
    job_id = tenant.submit(simulate={"duration_s": 1})
    expect(page.locator("#jobs tbody tr .c-state")).to_have_text("running")
    assert service.api
    kill_tree(service.api)
    expect(page.locator("#line")).to_have_text(LOST)
    service.start_api()
    tenant.client.wait(job_id, timeout=30)
    catches_up(page, tenant, job_id)


def test_a_line_that_is_cut_while_nobody_is_let_in(page: Page, tenant: Tenant, behind: Proxy) -> None:
    behind.refuse()
    behind.cut()
    expect(page.locator("#line")).to_have_text(LOST)
    job_id = tenant.submit()
    tenant.client.wait(job_id, timeout=30)
    expect(page.locator("#jobs tbody a")).to_have_count(0)
    behind.accept()
    catches_up(page, tenant, job_id)


def test_a_line_that_is_cut_without_a_word(page: Page, tenant: Tenant, behind: Proxy) -> None:
    behind.blackhole()
    job_id = tenant.submit()
    tenant.client.wait(job_id, timeout=30)
    expect(page.locator("#line")).to_have_text(LOST)
    catches_up(page, tenant, job_id)


def test_a_service_without_its_redis(page: Page, tenant: Tenant, service: Service) -> None:
    tenant.submit(simulate={"duration_s": 3})
    expect(page.locator("#jobs tbody tr .c-state")).to_have_text("running")
    service.valkey.terminate()
    service.start_valkey()
    expect(page.locator("#jobs tbody tr .c-state")).to_have_text("completed")
    assert page.evaluate("window.isTheSame")


def test_a_session_that_has_ended_leads_to_the_form(page: Page, visit: Callable[..., Visitor], tenant: Tenant) -> None:
    page.context.request.post("/page/logout")
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_visible()
    other = visit().sign_in(tenant.token)
    expect(other.locator("#line")).to_have_text("Live")
