"""The page for everybody: by the keyboard alone, read aloud, on a small screen, in the dark, and without modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page, ViewportSize
    from visitors import Tenant, Visitor

SERIOUS = {"serious", "critical"}
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 380, "height": 740}
LOOKS: tuple[tuple[Literal["light", "dark"], ViewportSize], ...] = (("light", WIDE), ("dark", WIDE), ("dark", NARROW))


def found(page: Page) -> list[str]:
    """Return what axe-core finds serious."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"] if each["impact"] in SERIOUS
    ]


@pytest.fixture
def paths(tenant: Tenant) -> list[str]:
    """Return where all kinds of things are to be seen."""
    fates = ({"duration_s": 0}, {"scenario": "no_speech", "duration_s": 0}, {"outcome": "stall"})
    done, failed, stalled = (tenant.submit(title="Keynote", simulate=each) for each in fates)
    tenant.client.wait_all([done, failed], timeout=60, raise_on_failure=False)
    return ["/", *(f"/page/jobs/{each}" for each in (done, failed, stalled)), "/page/submit"]


def test_axe_finds_nothing_serious(visit: Callable[..., Visitor], tenant: Tenant, paths: list[str]) -> None:
    # axe is put into the page as a script, which its policy rightly refuses
    visitor = visit(bypass_csp=True)
    page = visitor.page
    page.goto("/")
    assert everywhere(page) == []
    visitor.sign_in(tenant.token)
    for path in paths:
        page.goto(path)
        expect(page.locator("#line:visible, .actions button:enabled, #submit button:enabled").first).to_be_attached()
        for folded in page.locator("summary").all():
            folded.click()
        assert (path, everywhere(page)) == (path, [])


def everywhere(page: Page) -> list[str]:
    """Return what is wrong on a wide screen in the light and in the dark, and on a narrow one."""
    wrong = []
    for scheme, size in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(size)
        wrong += found(page)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"it is wider than {size['width']} px")
    return wrong


def press(page: Page, *keys: str) -> None:
    for each in keys:
        page.keyboard.press(each)


def tab_to(page: Page, wanted: Locator) -> None:
    """Go there as people do: from one thing to the next until it is the one."""
    for _ in range(40):
        press(page, "Tab")
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


def test_all_of_it_works_by_the_keyboard_alone(visit: Callable[..., Visitor], tenant: Tenant) -> None:
    for n in range(60):
        tenant.submit(job_id=f"j{n:02}", simulate={"outcome": "stall"} if n == 18 else {"duration_s": 0})
    page = visit().page
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type(tenant.token)
    press(page, "Enter")
    expect(page.locator('[data-count="completed"]')).to_have_text("59")
    press(page, "Tab", "Enter")  # skips what every page begins with
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, page.get_by_role("radio", name="All"))
    press(page, "ArrowRight", "ArrowRight")
    expect(page.locator("#jobs tbody a")).to_have_text(["j18"])
    press(page, "ArrowLeft", "ArrowLeft")
    expect(page.get_by_role("link", name="j59")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="j59"))
    press(page, "End")
    expect(page.get_by_role("link", name="j00")).to_be_focused()
    press(page, "Home", "PageDown", "PageDown", "ArrowUp")
    focused = page.locator(":focus")
    expect(focused).to_be_in_viewport()
    assert focused.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    press(page, "Home", *["ArrowDown"] * 41)
    expect(page.get_by_role("link", name="j18")).to_be_focused()
    press(page, "Enter")
    expect(page.locator("#word")).to_have_text("running")
    expect(page.get_by_role("button", name="Cancel")).to_be_enabled()
    tab_to(page, page.get_by_role("button", name="Cancel"))
    press(page, "Enter")
    expect(page.locator("#word")).to_have_text("cancelled")


def test_who_has_the_focus_stays_in_sight_while_jobs_come_above(page: Page, tenant: Tenant) -> None:
    tenant.client.submit_many([{"video_url": "https://e.x/v", "job_id": f"old-{n:02}"} for n in range(50)])
    expect(page.locator('[data-count="completed"]')).to_have_text("50")
    page.get_by_role("link", name="old-40").focus()
    before = page.get_by_role("link", name="old-40").bounding_box()
    tenant.client.submit_many([{"video_url": "https://e.x/v", "job_id": f"new-{n:02}"} for n in range(50)])
    expect(page.locator('[data-count="completed"]')).to_have_text("100")
    expect(page.get_by_role("link", name="old-40")).to_be_focused()
    assert before == page.get_by_role("link", name="old-40").bounding_box()


def test_what_is_read_aloud_comes_every_few_seconds_at_most(page: Page) -> None:
    page.evaluate(
        """() => {
          window.said = [];
          const told = document.getElementById("announcer");
          new MutationObserver(() => said.push(told.textContent)).observe(told, { childList: true });
        }"""
    )
    path = page.evaluate("document.querySelector('script').src.replace('jobs.js', 'announce.js')")
    page.evaluate("async (path) => { window.announce = (await import(path)).announce; }", path)
    for n in range(100):
        page.evaluate("(n) => announce(`sentence ${n}`)", n)
    expect(page.locator("#announcer")).to_have_text("sentence 99")
    assert len(page.evaluate("said")) <= 3


def test_without_modules_there_are_the_jobs_and_the_filter(visit: Callable[..., Visitor], tenant: Tenant) -> None:
    for n in range(60):
        tenant.submit(job_id=f"j{n:02}", target_language="es" if n % 2 else "fr", simulate={"duration_s": 0})
    tenant.client.wait_all([f"j{n:02}" for n in range(60)], timeout=60)
    page = visit(java_script_enabled=False).page
    page.goto("/")
    page.get_by_label("Token").fill(tenant.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#jobs tbody a")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#jobs tbody a")).to_have_count(10)
    page.get_by_label("Target language").fill("fr")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#jobs tbody a")).to_have_count(30)
    page.locator("#jobs tbody a").first.click()
    expect(page.locator("#timeline tbody tr").last).to_contain_text("completed")
