"""Who sees what: each client its own jobs, the admin all of them, and nobody anything without a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from playwright.sync_api import expect
from visitors import ADMIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service
    from visitors import Tenant, Visitor


def test_the_token_opens_the_page_and_what_was_asked_for(visit: Callable[..., Visitor], tenant: Tenant) -> None:
    job_id = tenant.submit(title="Mine")
    page = visit().page
    page.goto(f"/page/jobs/{job_id}")
    token = page.get_by_label("Token")
    token.fill(tenant.token[:-1])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("this token is none, or none any more")
    token.fill(tenant.token)
    token.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Mine")
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert tenant.token not in cookie["value"]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_visible()


def test_two_clients_never_see_each_other_s_jobs(
    visit: Callable[..., Visitor], make_tenant: Callable[[], Tenant]
) -> None:
    first, second = make_tenant(), make_tenant()
    pages = [visit().sign_in(each.token) for each in (first, second)]
    for each in pages:
        expect(each.locator("#line")).to_have_text("Live")
    jobs = [each.submit(title=f"of {each.client_id}", job_id=f"only-{each.client_id}") for each in (first, second)]
    for each, own, other in zip(pages, (first, second), (second, first), strict=True):
        expect(each.locator("#jobs tbody a")).to_have_text([f"of {own.client_id}"])
        assert other.client_id not in each.content()
    refused = pages[0].goto(f"/page/jobs/{jobs[1]}")
    assert refused
    assert refused.status == 404
    missing = pages[1].goto("/page/jobs/never-made")
    assert missing
    words = [each.locator("main").inner_text() for each in pages]
    assert words[0].replace(jobs[1], "…") == words[1].replace("never-made", "…")
    for path in (f"/page/jobs/{jobs[1]}?client={second.client_id}", f"/?client={second.client_id}"):
        stranger = pages[0].goto(path)
        assert stranger
        assert stranger.status == 404


def test_the_admin_sees_all_clients_chooses_one_and_acts_for_it(
    visit: Callable[..., Visitor], make_tenant: Callable[[], Tenant]
) -> None:
    tenants = [make_tenant(), make_tenant()]
    page = visit().sign_in(ADMIN)
    expect(page.locator("#line")).to_have_text("Live")
    for each in tenants:
        each.submit(job_id="talk", simulate={"outcome": "stall"})
    names = [each.client_id for each in tenants]
    expect(page.locator("#jobs tbody tr .c-client").first).to_have_text(names[1])
    expect(page.locator("#jobs tbody tr .c-client").nth(1)).to_have_text(names[0])
    page.get_by_label("Client").select_option(names[0])
    expect(page.locator("#jobs tbody a")).to_have_count(1)
    assert page.url.endswith(f"/?client={names[0]}")
    page.locator("#jobs tbody a").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#word")).to_have_text("cancelled")
    assert [each.client.get_status("talk").state for each in tenants] == ["cancelled", "running"]


def test_a_token_that_ends_takes_its_sessions_with_it(
    visit: Callable[..., Visitor], tenant: Tenant, service: Service
) -> None:
    page = visit().sign_in(tenant.token)
    expect(page.locator("#line")).to_have_text("Live")
    requests.delete(f"{service.url}/clients/{tenant.client_id}", headers={"X-Api-Key": ADMIN}, timeout=10)
    expect(page.get_by_label("Token")).to_be_visible()
