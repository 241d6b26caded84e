"""Many jobs: the page shows what `GET /jobs` says, whatever has happened, and draws no more than what is seen."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect
from service import eventually

from contract.errors import IllegalTransitionError
from store.jobs import JobStore
from store.ledger import Ledger
from store.settings import StoreSettings, connect

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from service import Service
    from visitors import Tenant

STALLS = {"outcome": "stall"}
SHOWN = """async () => {
  const found = new Map(), frame = () => new Promise(requestAnimationFrame);
  for (let y = 0; ; y += innerHeight) {
    scrollTo(0, y);
    await frame(); await frame();
    for (const tr of document.querySelectorAll("#jobs tbody tr:not(.space)")) {
      const text = (name) => tr.querySelector(`.c-${name}`).innerText;
      found.set(Number(tr.getAttribute("aria-rowindex")), {
        job_id: tr.querySelector("a").getAttribute("href").split("/").at(-1),
        state: text("state"), attempt: text("attempt"), stage: text("stage"), position: text("position"),
        title: tr.querySelector("a").innerText, language: text("languages"),
        progress: tr.querySelector("progress").value,
      });
    }
    if (y > document.documentElement.scrollHeight) break;
  }
  scrollTo(0, 0);
  return [...found.keys()].sort((a, b) => a - b).map((index) => found.get(index));
}"""


def told(tenant: Tenant, **filters: Any) -> list[dict[str, Any]]:
    return [
        {
            "job_id": job.job_id,
            "state": str(job.state),
            "attempt": f"{job.attempt}/{job.max_attempts}",
            "stage": (job.stage or "") if job.state == "running" else "",
            "position": "" if job.position is None else str(job.position),
            "title": job.title or job.job_id,
            "language": job.target_language or "",
            "progress": job.progress,
        }
        for job in tenant.client.jobs(**filters)
    ]


def change(tenant: Tenant, dice: Random, known: list[str]) -> None:
    """Do something to fifty jobs, each by chance."""
    fates = ({"duration_s": 0}, {"duration_s": 1}, {"outcome": "error", "duration_s": 0}, STALLS)
    submissions = []
    for _ in range(25):
        fate = dice.choice(fates)
        submission = {
            "video_url": f"https://example.com/{dice.random()}.mp4",
            "target_language": dice.choice(["es", "fr", "de"]),
            "title": dice.choice([None, "Keynote", "Interview"]),
            "simulate": fate,
            "metadata": {"stalls": fate is STALLS},
        }
        submissions.append(submission)
    known += [job.job_id for job in tenant.client.submit_many(submissions)]
    for job in tenant.client.get_statuses(dice.sample(known, 25)).values():
        with suppress(IllegalTransitionError):  # it has moved on meanwhile
            (tenant.client.reset if job.done else tenant.client.cancel)(job.job_id)


def is_settled(tenant: Tenant) -> bool:
    """Whether all jobs have ended, but for those that never do."""
    is_waiting = next(tenant.client.jobs(state="queued"), None)
    return not is_waiting and all(job.metadata["stalls"] for job in tenant.client.jobs(state="running"))


def test_after_a_thousand_changes_the_page_shows_what_the_api_says(page: Page, tenant: Tenant) -> None:
    expect(page.locator("#line")).to_have_text("Live")
    dice, known = Random(7), list[str]()  # noqa: S311 - a test that can be run again
    for _ in range(10):
        change(tenant, dice, known)
    eventually(lambda: is_settled(tenant), 60, pause_s=0.2)
    # a stalled job's last word may be under way
    eventually(lambda: page.evaluate(SHOWN) == told(tenant), 20, pause_s=0.5)
    assert sum(job.seq for job in tenant.client.jobs()) > 1000
    page.get_by_role("radio", name="Error").check()
    page.get_by_label("Target language").fill("fr")
    eventually(lambda: page.evaluate(SHOWN) == told(tenant, state="error", target_language="fr"), 10, pause_s=0.2)


def test_a_thousand_jobs_that_change_are_followed_and_few_of_them_are_drawn(
    page: Page, tenant: Tenant, service: Service
) -> None:
    expect(page.locator("#line")).to_have_text("Live")
    tenant.client.simulator.freeze()
    jobs = tenant.client.submit_many([{"video_url": f"https://example.com/{n}.mp4"} for n in range(1000)])
    with connect(service.redis_url) as connection:  # a thousand requests would take longer
        store = JobStore(Ledger(connection, StoreSettings()))
        for job in jobs:
            store.cancel(job.job_id, tenant.client_id)
    expect(page.locator('[data-count="cancelled"]')).to_have_text("1,000", timeout=60_000)
    expect(page.locator("#jobs")).to_have_attribute("aria-rowcount", "1001")
    assert page.locator("#jobs tbody tr").count() < 60
    assert {each["state"] for each in page.evaluate(SHOWN)} == {"cancelled"}


def test_a_filter_is_in_the_address_and_comes_from_it(page: Page, tenant: Tenant) -> None:
    for language, title in (("es", "Keynote"), ("fr", "Keynote"), ("fr", "Interview")):
        tenant.submit(target_language=language, title=title)
    expect(page.locator('[data-count="completed"]')).to_have_text("3")
    page.get_by_label("Target language").fill("fr")
    page.get_by_label("Text in title, id or URL").fill("key")
    expect(page.locator("#jobs tbody a")).to_have_count(1)
    assert page.url.endswith("/?language=fr&text=key")
    page.reload()
    expect(page.locator("#jobs tbody a")).to_have_text(["Keynote"])
    expect(page.get_by_label("Target language")).to_have_value("fr")
    tenant.submit(target_language="fr", title="Keynote, the second")
    expect(page.locator("#jobs tbody a")).to_have_text(["Keynote, the second", "Keynote"])
