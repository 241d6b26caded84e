"""The sections about the service, in a real Chromium: how it does, the simulator's controls, and who is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from crew import CONCURRENT
from playwright.sync_api import Browser, Page, expect, sync_playwright
from service import Service, eventually

from client import TranslationClient
from store.minutes import MINUTE_MS, Minutes
from store.records import now_utc, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO = "https://example.com/talk.mp4"
ARGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SECTIONS = ("service", "simulator", "notifications")
UNSEEN = "Object.defineProperty(document, 'hidden', { get: () => true })"
TOLD = """
  window.told = [];
  window.Notification = class extends Notification {
    constructor(title, more) { super(title, more); window.told.push([title, more.body]); }
  };
"""

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service({"DUBQ_SIM_OUTAGES": "on", "DUBQ_NOTIFY_SCHEMES": "slack,mailtos"}) as running:
        running.start_valkey()
        running.start_worker(*CONCURRENT)
        running.start_api()
        eventually(lambda: running.connection().scard("rq:workers"), 30)
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(service: Service, chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(base_url=service.url, permissions=["notifications"])
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TranslationClient]:
    with TranslationClient(service.url) as connected:
        yield connected


@pytest.fixture(scope="module")
def ended(service: Service, client: TranslationClient) -> None:
    """Have an hour behind the service of which one minute is known, and since then three jobs that ended."""
    connection = service.connection()
    minute = to_ms(now_utc()) // MINUTE_MS
    connection.delete(f"dubq:minute:{minute}", f"dubq:minute:{minute - 1}")
    connection.hset(f"dubq:minute:{minute - 1}", mapping={"queued:high": 0, "queued:default": 7, "queued:low": 2})
    Minutes(connection).keep()
    courses = ({"duration_s": 0.2}, {"duration_s": 0.2}, {"duration_s": 0.1, "outcome": "error"})
    jobs = client.submit_many([{"video_url": VIDEO, "simulate": each} for each in courses])
    client.wait_all([job.job_id for job in jobs])


@pytest.mark.usefixtures("ended")
def test_the_service_tells_how_it_stands_and_how_its_last_hour_went(page: Page) -> None:
    page.goto("/page/service")
    expect(page.locator("#t-ended")).to_have_text("3")
    expect(page.locator("#t-errors")).to_have_text("33 %")
    expect(page.locator("#t-workers")).to_have_text("1")
    expect(page.locator("#workers tbody tr")).to_contain_text("0 of 500")
    expect(page.locator("[data-stage=run] td").last).to_have_text("3")
    expect(page.locator("#c-ends path.s-completed")).to_have_attribute("d", re.compile(r"^M.*z$"))
    expect(page.locator("#c-ends svg")).to_have_attribute("aria-label", re.compile(r"error: . now, 1 at most"))


@pytest.mark.usefixtures("ended")
def test_a_chart_says_its_figures_in_a_table_too(page: Page) -> None:
    page.goto("/page/service")
    chart = page.locator("#c-queue")
    expect(chart.locator("svg")).to_have_attribute("aria-label", re.compile("default: 0 now, 7 at most"))
    chart.locator("summary").press("Enter")
    expect(chart.locator("tbody tr").last.locator("td")).to_have_text(["0", "7", "2"])


def test_a_service_that_is_away_is_said_to_be_and_what_was_shown_stays(page: Page, service: Service) -> None:
    page.goto("/page/service")
    expect(page.locator("#t-workers")).to_have_text("1")
    page.route("**/page/statistics", lambda route: route.abort())
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#refusal")).to_have_text("The service cannot be reached just now")
    expect(page.locator("#t-workers")).to_have_text("1")
    page.unroute("**/page/statistics")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#refusal")).to_be_hidden()
    assert service.url


def test_the_clock_is_frozen_put_forward_and_let_go(page: Page, client: TranslationClient, service: Service) -> None:
    page.goto("/page/simulator")
    page.get_by_role("button", name="Freeze").click()
    expect(page.locator("#pace")).to_contain_text("stands still")
    expect(page.get_by_role("button", name="Freeze")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Put it forward, seconds").fill("3600")
    page.get_by_role("button", name="Advance").click()
    expect(page.locator("#pace")).to_contain_text(re.compile(r"3,[56]\d\d s ahead of real time"))
    assert client.simulator.clock().frozen
    page.get_by_role("button", name="\u00d7 60", exact=True).click()
    expect(page.locator("#pace")).to_contain_text("\u00d7 60")
    page.get_by_label("Put it forward, seconds").fill("-1")
    page.get_by_role("button", name="Advance").click()
    expect(page.locator("#refusal")).to_contain_text("advance_s")
    page.get_by_label("fail, percent").fill("25")
    page.get_by_role("button", name="Set", exact=True).click()
    eventually(lambda: requests.get(f"{service.url}/simulator/odds", timeout=5).json() == {"error_rate": 0.25})
    page.get_by_text("Begin anew", exact=True).click()
    page.get_by_role("button", name="Forget all and begin anew").click()
    expect(page.locator("#pace")).to_have_text("real time")
    expect(page.get_by_label("fail, percent")).to_have_value("")


def test_an_outage_is_begun_and_ended_while_the_page_is_spared(page: Page, service: Service) -> None:
    page.goto("/page/simulator")
    expect(page.get_by_role("button", name="End it")).to_be_disabled()
    expect(page.get_by_label("How late, as a law")).to_be_hidden()
    page.get_by_role("button", name="Begin", exact=True).click()
    expect(page.locator("#outage")).to_have_text("Requests are answered 503")
    assert requests.get(f"{service.url}/jobs", timeout=5).status_code == 503
    page.reload()
    page.get_by_role("button", name="End it").click()
    expect(page.locator("#outage")).to_have_text("None")
    assert requests.get(f"{service.url}/jobs", timeout=5).status_code == 200


def test_a_target_is_added_and_removed_and_its_url_is_shown_no_more(page: Page) -> None:
    page.goto("/page/notifications")
    page.get_by_label("Where to").fill("json://127.0.0.1/secret")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#refusal")).to_contain_text("does not allow json")
    page.get_by_label("Where to").fill("slack://secret")
    page.get_by_label("completed").uncheck()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#targets tbody tr")).to_contain_text("error, cancelled")
    expect(page.get_by_label("Where to")).to_have_value("")
    assert "secret//" not in page.content()
    page.get_by_role("button", name="Tell slack no more").click()
    expect(page.get_by_text("Nobody is told yet.")).to_be_visible()


def test_the_browser_tells_of_an_end_in_a_tab_that_nobody_looks_at(page: Page, client: TranslationClient) -> None:
    page.goto("/page/notifications")
    page.get_by_role("button", name="Tell me in this browser").click()
    expect(page.locator("#here")).to_contain_text("On, as long as")
    page.add_init_script(TOLD)
    page.goto("/")
    expect(page.locator("#line")).to_have_text("Live")
    client.wait(client.submit(VIDEO, title="Seen", simulate={"duration_s": 0.1}).job_id)
    expect(page.locator("#jobs")).to_contain_text("Seen")
    page.add_init_script(UNSEEN)
    page.goto("/")
    expect(page.locator("#line")).to_have_text("Live")
    client.submit(VIDEO, title="Keynote", target_language="es", simulate={"duration_s": 0.1})
    eventually(lambda: page.evaluate("window.told.length"))
    assert page.evaluate("window.told") == [["Completed: Keynote", "es"]]
    page.goto("/page/notifications")
    page.get_by_role("button", name="Tell me no more").click()
    expect(page.locator("#here")).to_have_text("Off.")


def test_a_browser_that_refuses_is_said_to(service: Service, chromium: Browser) -> None:
    with chromium.new_context(base_url=service.url) as context:
        refused = context.new_page()
        refused.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
        refused.goto("/page/notifications")
        expect(refused.locator("#here")).to_contain_text("refuses them for this site")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("section", SECTIONS)
def test_axe_finds_nothing_serious_and_nothing_is_cut_off_at_380_pixels(
    page: Page, section: str, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto(f"/page/{section}")
    page.wait_for_load_state("networkidle")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in {"serious", "critical"}] == []
    assert page.evaluate("document.documentElement.scrollWidth") == 380
