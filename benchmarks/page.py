"""The page in a real Chromium: how soon it can be read after `dubq up`, and what 500 changes a second cost it."""

import shutil
from statistics import median
from typing import Any, Final

import psutil
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from cli.ground import Wish
from cli.service import Service
from client import TranslationClient

from .figures import Load, bar, ms, quantile, table, title
from .house import _environment

RUNNING: Final = 500
"""Each tells of itself once a second."""
MEASURED_S: Final = 10
ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")

FRAMES: Final = """seconds => new Promise((done) => {
  const times = [];
  const began = performance.now();
  requestAnimationFrame(function tick(now) {
    times.push(now);
    if (now - began < seconds * 1000) requestAnimationFrame(tick);
    else done(times.slice(1).map((time, at) => time - times[at]));
  });
})"""
PAINTED: Final = """() => new Promise((done) => new PerformanceObserver((list) => {
  done(list.getEntries().find((each) => each.name === "first-contentful-paint").startTime);
}).observe({ type: "paint", buffered: true }))"""


def run() -> bool:
    chromium = shutil.which("chromium")
    if chromium is None:
        return bar("there is a chromium to measure with", is_met=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        wish = Wish(env={**_environment(), "DUBQ_SIM_ERROR_RATE": "0"}, port=0, workers=1, drain_s=0.1)
        with Service(wish, lambda _: None) as service:
            is_soon = _paint(browser, service.ground.url)
            is_smooth = _stream(browser, service.ground.url)
        browser.close()
    return is_soon and is_smooth


def _paint(browser: Browser, url: str) -> bool:
    """Open the page for the first time since the service is up, and then a few times more, each with an empty cache."""
    title("First useful paint: the table, from the server")
    times_s = []
    for _ in range(5):
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        times_s.append(page.evaluate(PAINTED) / 1000)
        context.close()
    table(("first after `dubq up`", "then"), [(ms(times_s[0]), ms(median(times_s[1:])))])
    return bar("first useful paint within 1 s", is_met=times_s[0] < 1)


def _stream(browser: Browser, url: str) -> bool:
    title(f"{RUNNING} running jobs, each of which tells of itself once a second")
    page = browser.new_page()
    page.goto(url)
    with TranslationClient(url) as client:
        submissions = [
            {"video_url": f"https://example.com/{n}.mp4", "simulate": {"duration_s": 120}} for n in range(RUNNING)
        ]
        client.submit_many(submissions)
        page.locator('[data-count="running"]').filter(has_text=str(RUNNING)).wait_for(timeout=60_000)
        load, devtools = Load(), page.context.new_cdp_session(page)
        before = _metrics(devtools)
        heard = _heard(page)
        gaps_ms = page.evaluate(FRAMES, MEASURED_S)
        rate = (_heard(page) - heard) / (sum(gaps_ms) / 1000)
        after, memory_mb = _metrics(devtools), _memory_mb()
        frames = 1000 * len(gaps_ms) / sum(gaps_ms)
        busy = (after["TaskDuration"] - before["TaskDuration"]) / (sum(gaps_ms) / 1000)
    rows = [
        ("changes heard a second", f"{rate:.0f}"),
        ("frames a second", f"{frames:.1f}"),
        ("longest time between two frames", f"{max(gaps_ms):.0f} ms (99 %: {quantile(gaps_ms, 0.99):.0f} ms)"),
        ("main thread busy", f"{busy:.0%}"),
        ("JavaScript's heap", f"{after['JSHeapUsedSize'] / 1e6:.1f} MB"),
        ("renderer's own memory", f"{memory_mb:.0f} MB"),
    ]
    table(("", ""), rows)
    print(load.words())
    return bar("30 frames a second", is_met=frames >= 30) & bar("150 MB at most", is_met=memory_mb < 150)


def _heard(page: Page) -> int:
    """Return how many changes the service has told of, by the feed's own count."""
    found: int = page.evaluate(
        "fetch('/jobs?limit=1000').then(a => a.json()).then(a => a.jobs.reduce((n, j) => n + j.seq, 0))"
    )
    return found


def _metrics(devtools: CDPSession) -> dict[str, Any]:
    devtools.send("Performance.enable")
    return {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}


def _memory_mb() -> float:
    """Return what the page's process has for itself alone: the largest of the browser's renderers."""
    renderers = [
        each for each in psutil.Process().children(recursive=True) if "--type=renderer" in " ".join(each.cmdline())
    ]
    return max(each.memory_full_info().uss for each in renderers) / 1e6
