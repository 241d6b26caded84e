"""What a person does with a job: submits it, follows it, cancels it, reads why it has failed, has it run again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect
from receivers import OK, Receiver
from service import eventually

from contract.scenarios import PERMANENT

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from visitors import Tenant

WRONG = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


def row_of(page: Page, job_id: str) -> Locator:
    return page.locator("#jobs tbody tr").filter(has=page.locator(f'a[href^="/page/jobs/{job_id}"]'))


def test_a_job_is_submitted_and_followed_to_its_end(page: Page, tenant: Tenant) -> None:
    clock = tenant.client.simulator
    clock.freeze()
    page.get_by_role("link", name="Submit").first.click()
    page.get_by_label("Video URLs").fill("https://example.com/talk.mp4")
    page.get_by_label("Into").fill("es")
    page.get_by_label("Title").fill("The talk")
    page.get_by_label("Simulated duration").fill("100")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The talk")
    expect(page.locator("#word")).to_have_text("running")
    for advance_s, stage, progress in ((10, "transcribe", 0.05), (60, "lipsync", 0.6)):
        clock.advance(advance_s)
        expect(page.locator("#stands-how")).to_contain_text(stage)
        eventually(lambda least=progress: 1 > page.locator("#progress").evaluate("each => each.value") >= least)
    clock.speed(1000)
    expect(page.locator("#word")).to_have_text("completed")
    (job,) = tenant.client.jobs()
    assert job.output
    expect(page.locator("#output-video")).to_have_attribute("href", job.output.video_url)
    expect(page.locator("#output-captions")).to_have_attribute("href", job.output.captions_url)
    stages = page.locator("#timeline tr.running th")
    expect(stages.last).to_have_text("render")
    assert {"fetch", "transcribe", "translate", "voice", "lipsync", "render"} <= set(stages.all_text_contents())
    expect(page.locator("#incomplete")).to_be_hidden()
    page.get_by_text("Document", exact=True).click()
    expect(page.locator("#document")).to_contain_text('"state": "completed"')


def test_a_running_job_is_cancelled_and_run_again(page: Page, tenant: Tenant) -> None:
    job_id = tenant.submit(simulate={"outcome": "stall"})
    row = row_of(page, job_id)
    expect(row.locator(".c-state")).to_have_text("running")
    row.get_by_role("link").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#word")).to_have_text("cancelled")
    expect(page.locator("#timeline tr").last.locator("th")).to_have_text("cancelled")
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("#word")).to_have_text("running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#word")).to_have_text("cancelled")


def test_a_job_that_fails_says_why_in_words(page: Page) -> None:
    flaw = next(each for each in PERMANENT if each.code == "no_speech")
    page.goto("/page/submit")
    page.get_by_label("Video URLs").fill("https://example.com/silent.mp4")
    page.get_by_label("Simulate", exact=True).select_option("no_speech")
    expect(page.locator("#h-scenario")).to_contain_text(flaw.message)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#word")).to_have_text("error")
    expect(page.locator("#failure")).to_contain_text(flaw.message)
    expect(page.locator("#failure")).to_contain_text("no_speech in transcribe; would fail again")
    expect(page.locator("#timeline tr").last).to_have_class("error")
    page.goto("/?state=error")
    expect(page.locator("#jobs tbody .c-state.error")).to_have_count(1)


def test_what_is_wrong_with_a_submission_is_said_at_its_field_in_the_api_s_words(page: Page, tenant: Tenant) -> None:
    page.goto("/page/submit")
    page.get_by_label("Video URLs").fill("ftp://example.com/v.mp4")
    page.get_by_label("Into").fill("Spanish please")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Attempts at most").fill("11")
    page.get_by_label("Metadata").fill('{"a": []}')
    page.get_by_role("button", name="Submit").click()
    said = page.locator(".field.wrong")
    expect(said).to_have_count(4)
    body = {"video_url": "ftp://example.com/v.mp4", "target_language": "Spanish please"}
    body |= {"max_attempts": 11, "metadata": {"a": []}}
    answer = page.request.post("/jobs", data=body).json()
    words = {each["pointer"].split("/")[1]: each["message"] for each in answer["errors"]}
    shown = {each.get_attribute("data-field"): each.locator(".problem").inner_text() for each in said.all()}
    assert shown == words
    expect(page.get_by_label("Video URLs")).to_be_focused()
    assert list(tenant.client.jobs()) == []


def test_many_urls_are_submitted_at_once_each_judged_alone(page: Page, tenant: Tenant) -> None:
    page.goto("/page/submit")
    urls = [f"https://example.com/{n}.mp4" for n in range(30)]
    page.get_by_label("Video URLs").fill("\n".join([*urls, "", "not a URL"]))
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#results-title")).to_have_text("30 submitted, 1 refused")
    expect(page.locator("#result-list li").last).to_contain_text("video_url has to be an http or https URL")
    assert sorted(job.video_url for job in tenant.client.jobs()) == sorted(urls)
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator('[data-count="completed"]')).to_have_text("30")


def test_a_webhook_is_shown_and_sent_again(page: Page, tenant: Tenant) -> None:
    receiver = Receiver()
    receiver.says(WRONG, OK)
    try:
        job_id = tenant.submit(callback_url=f"http://127.0.0.1:{receiver.port}/hook")
        page.goto(f"/page/jobs/{job_id}")
        deliveries = page.locator("#deliveries tbody tr")
        expect(deliveries).to_contain_text("1: answered 500")
        deliveries.get_by_role("button", name="Send again").click()
        expect(deliveries.locator("td").first).to_have_text("delivered")
        expect(page.locator("#timeline tr.failed, #timeline tr.webhook")).to_have_count(2)
    finally:
        receiver.close()


def test_what_waits_for_a_job_is_there_to_be_copied(page: Page, tenant: Tenant) -> None:
    job_id = tenant.submit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/page/jobs/{job_id}")
    page.get_by_role("button", name=re.compile("Copy the shell")).click()
    expect(page.get_by_role("button", name=re.compile("Copied"))).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"dubq wait {job_id} --url http://127.0.0.1:")
