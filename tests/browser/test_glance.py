"""The sections about the service: how it does, the simulator's controls, and who is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from crew import CONCURRENT
from playwright.sync_api import expect
from service import Service, eventually
from visitors import ADMIN

from client import TranslationClient
from store.minutes import MINUTE_MS, Minutes
from store.records import now_utc, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page
    from visitors import Tenant, Visitor

VIDEO = "https://example.com/talk.mp4"
AS_ADMIN = {"X-Api-Key": ADMIN}
SECTIONS = ("service", "simulator", "notifications")
UNSEEN = "Object.defineProperty(document, 'hidden', { get: () => true })"
TOLD = """
  window.told = [];
  window.Notification = class extends Notification {
    constructor(title, more) { super(title, more); window.told.push([title, more.body]); }
  };
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Run a service that plays outages and allows notifications; nobody sends one, so no worker has to load apprise."""
    env = {"DUBQ_AUTH": "on", "DUBQ_ADMIN_TOKEN": ADMIN, "DUBQ_SIM_OUTAGES": "on", "DUBQ_NOTIFY_SCHEMES": "slack"}
    with Service(env) as running:
        running.start_valkey()
        running.start_worker(*CONCURRENT)
        running.start_api()
        eventually(lambda: running.connection().scard("rq:workers"), 30)
        yield running


@pytest.fixture
def admin(visit: Callable[..., Visitor]) -> Page:
    """Return the page of the admin, who has signed in."""
    return visit(permissions=["notifications"]).sign_in(ADMIN)


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TranslationClient]:
    with TranslationClient(service.url, token=ADMIN) as connected:
        yield connected


def asked(service: Service, path: str) -> requests.Response:
    return requests.get(service.url + path, headers=AS_ADMIN, timeout=5)


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
def test_the_service_tells_how_it_stands_and_how_its_last_hour_went(admin: Page) -> None:
    admin.goto("/page/service")
    expect(admin.locator("#t-ended")).to_have_text("3")
    expect(admin.locator("#t-errors")).to_have_text("33 %")
    expect(admin.locator("#t-workers")).to_have_text("1")
    expect(admin.locator("#workers tbody tr")).to_contain_text("0 of 500")
    expect(admin.locator("[data-stage=run] td").last).to_have_text("3")
    expect(admin.locator("#c-ends path.s-completed")).to_have_attribute("d", re.compile(r"^M.*z$"))
    expect(admin.locator("#c-ends svg")).to_have_attribute("aria-label", re.compile(r"error: . now, 1 at most"))


@pytest.mark.usefixtures("ended")
def test_a_chart_says_its_figures_in_a_table_too(admin: Page) -> None:
    admin.goto("/page/service")
    chart = admin.locator("#c-queue")
    expect(chart.locator("svg")).to_have_attribute("aria-label", re.compile("default: 0 now, 7 at most"))
    chart.locator("summary").press("Enter")
    expect(chart.locator("tbody tr").last.locator("td")).to_have_text(["0", "7", "2"])


def test_a_service_that_is_away_is_said_to_be_and_what_was_shown_stays(admin: Page) -> None:
    admin.goto("/page/service")
    expect(admin.locator("#t-workers")).to_have_text("1")
    admin.route("**/page/statistics", lambda route: route.abort())
    admin.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(admin.locator("#refusal")).to_have_text("The service cannot be reached just now")
    expect(admin.locator("#t-workers")).to_have_text("1")
    admin.unroute("**/page/statistics")
    admin.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(admin.locator("#refusal")).to_be_hidden()


def test_the_clock_is_frozen_put_forward_and_let_go(admin: Page, client: TranslationClient, service: Service) -> None:
    admin.goto("/page/simulator")
    admin.get_by_role("button", name="Freeze").click()
    expect(admin.locator("#pace")).to_contain_text("stands still")
    expect(admin.get_by_role("button", name="Freeze")).to_have_attribute("aria-pressed", "true")
    admin.get_by_label("Put it forward, seconds").fill("3600")
    admin.get_by_role("button", name="Advance").click()
    expect(admin.locator("#pace")).to_contain_text(re.compile(r"3,[56]\d\d s ahead of real time"))
    assert client.simulator.clock().frozen
    admin.get_by_role("button", name="\u00d7 60", exact=True).click()
    expect(admin.locator("#pace")).to_contain_text("\u00d7 60")
    admin.get_by_label("Put it forward, seconds").fill("-1")
    admin.get_by_role("button", name="Advance").click()
    expect(admin.locator("#refusal")).to_contain_text("advance_s")
    admin.get_by_label("fail, percent").fill("25")
    admin.get_by_role("button", name="Set", exact=True).click()
    eventually(lambda: asked(service, "/simulator/odds").json() == {"error_rate": 0.25})
    admin.get_by_text("Begin anew", exact=True).click()
    admin.get_by_role("button", name="Forget all and begin anew").click()
    expect(admin.locator("#pace")).to_have_text("real time")
    expect(admin.get_by_label("fail, percent")).to_have_value("")


def test_an_outage_is_begun_and_ended_while_the_page_is_spared(admin: Page, service: Service) -> None:
    admin.goto("/page/simulator")
    expect(admin.get_by_role("button", name="End it")).to_be_disabled()
    expect(admin.get_by_label("How late, as a law")).to_be_hidden()
    admin.get_by_role("button", name="Begin", exact=True).click()
    expect(admin.locator("#outage")).to_have_text("Requests are answered 503")
    assert asked(service, "/jobs").status_code == 503
    admin.reload()
    admin.get_by_role("button", name="End it").click()
    expect(admin.locator("#outage")).to_have_text("None")
    assert asked(service, "/jobs").status_code == 200


def test_a_target_is_added_and_removed_and_its_url_is_shown_no_more(admin: Page) -> None:
    admin.goto("/page/notifications")
    admin.get_by_label("Where to").fill("json://127.0.0.1/secret")
    admin.get_by_role("button", name="Add").click()
    expect(admin.locator("#refusal")).to_contain_text("does not allow json")
    admin.get_by_label("Where to").fill("slack://secret")
    admin.get_by_label("completed").uncheck()
    admin.get_by_role("button", name="Add").click()
    expect(admin.locator("#targets tbody tr")).to_contain_text("error, cancelled")
    expect(admin.get_by_label("Where to")).to_have_value("")
    assert "secret//" not in admin.content()
    admin.get_by_role("button", name="Tell slack no more").click()
    expect(admin.get_by_text("Nobody is told yet.")).to_be_visible()


def test_the_browser_tells_of_an_end_in_a_tab_that_nobody_looks_at(admin: Page, client: TranslationClient) -> None:
    admin.goto("/page/notifications")
    admin.get_by_role("button", name="Tell me in this browser").click()
    expect(admin.locator("#here")).to_contain_text("On, as long as")
    admin.add_init_script(TOLD)
    admin.goto("/")
    expect(admin.locator("#line")).to_have_text("Live")
    client.wait(client.submit(VIDEO, title="Seen", simulate={"duration_s": 0.1}).job_id)
    expect(admin.locator("#jobs")).to_contain_text("Seen")
    admin.add_init_script(UNSEEN)
    admin.goto("/")
    expect(admin.locator("#line")).to_have_text("Live")
    client.submit(VIDEO, title="Keynote", target_language="es", simulate={"duration_s": 0.1})
    eventually(lambda: admin.evaluate("window.told.length"))
    assert admin.evaluate("window.told") == [["Completed: Keynote", "es"]]
    admin.goto("/page/notifications")
    admin.get_by_role("button", name="Tell me no more").click()
    expect(admin.locator("#here")).to_have_text("Off.")


def test_a_browser_that_refuses_is_said_to(visit: Callable[..., Visitor]) -> None:
    page = visit().sign_in(ADMIN)
    page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
    page.goto("/page/notifications")
    expect(page.locator("#here")).to_contain_text("refuses them for this site")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off_at_380_pixels(
    visit: Callable[..., Visitor], scheme: Literal["light", "dark"]
) -> None:
    # axe is put into the page as a script, which its policy rightly refuses
    page = visit(color_scheme=scheme, viewport={"width": 380, "height": 740}, bypass_csp=True).sign_in(ADMIN)
    for section in SECTIONS:
        page.goto(f"/page/{section}")
        expect(page.locator("#workers tbody tr, #pace:not(:empty), #add:visible").first).to_be_attached()
        for folded in page.locator("summary").all():
            folded.click()
        found = Axe().run(page).response["violations"]
        serious = [each for each in found if each["impact"] in {"serious", "critical"}]
        assert [(section, each["id"], each["nodes"][0]["html"]) for each in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth") == 380


def test_a_client_has_its_own_clock_and_targets_and_sees_nothing_of_the_service(
    visit: Callable[..., Visitor], tenant: Tenant
) -> None:
    page = visit().sign_in(tenant.token, "/page/simulator")
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(["Jobs", "Submit", "Simulator", "Notify"])
    expect(page.locator("#h-outage")).to_have_count(0)
    page.get_by_role("button", name="Freeze").click()
    expect(page.locator("#pace")).to_contain_text("stands still")
    assert tenant.client.simulator.clock().frozen
    page.goto("/page/service")
    expect(page.locator("#workers")).to_have_count(0)
