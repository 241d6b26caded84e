"""Takes the pictures of the page for the docs: `make screenshots`. The jobs in them stand still, by a frozen clock."""

import math
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from random import Random

from playwright.sync_api import Page, expect, sync_playwright

from cli.ground import Wish
from cli.service import Service
from client import TranslationClient
from contract.states import Result
from store import keys, measures, tally
from store.minutes import Minutes
from store.settings import connect
from worker.course import SHARES

HERE = Path(__file__).parent
TALKS = (
    ("Keynote", "es", {"duration_s": 4}),
    ("Product tour", "fr", {"duration_s": 5}),
    ("Interview, part 1", "de", {"duration_s": 30}),
    ("Interview, part 2", "de", {"duration_s": 16}),
    ("Town hall", "pt-BR", {"duration_s": 12}),
    ("Silent film", "it", {"scenario": "no_speech", "duration_s": 8}),
    ("Onboarding", "ja", {"scenario": "gpu_lost", "duration_s": 5}),
    ("Quarterly results", "es", {"duration_s": 20}),
    ("Safety at work", "fr", {"duration_s": 60}),
    ("Trailer", "ko", {"duration_s": 1}),
    ("Lecture 7", "de", {"duration_s": 18}),
    ("Lecture 8", "de", {"duration_s": 24}),
)
SHOWN = "onboarding"
"""It has something to show: its first attempt fails."""


def main() -> int:
    """Take the pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.stderr.write("there is no chromium: apt-get install chromium\n")
        return 2
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DUBQ_")}
    wish = Wish(env=kept | {"DUBQ_SIM_ERROR_RATE": "0"}, port=0, drain_s=0.1)
    with Service(wish, lambda _: None) as service, sync_playwright() as playwright:
        url = service.ground.url
        _play(url)
        _remember(service.ground.redis_url)
        browser = playwright.chromium.launch(executable_path=chromium, args=("--no-sandbox", "--disable-gpu"))
        for name, path, scheme, width, height in (
            ("jobs", "/", "light", 1280, 640),
            ("jobs-dark", "/", "dark", 1280, 640),
            ("jobs-narrow", "/", "light", 380, 640),
            ("job", f"/page/jobs/{SHOWN}", "light", 1280, 860),
            ("submit", "/page/submit", "light", 1280, 560),
            ("service", "/page/service", "light", 1280, 1000),
        ):
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
            page.goto(url + path)
            _take(page, name)
        browser.close()
    return 0


def _play(url: str) -> None:
    """Submit the jobs, and stop the clock once some of them have ended."""
    with TranslationClient(url) as client:
        for title, to, fate in TALKS:
            job_id = title.lower().replace(",", "").replace(" ", "-")
            client.submit(
                f"https://example.com/{job_id}.mp4",
                job_id=job_id,
                target_language=to,
                source_language="en",
                title=title,
                simulate=fate,
            )
        client.cancel("lecture-8")
        client.wait(SHOWN, timeout=60)
        client.simulator.freeze()


def _remember(redis_url: str) -> None:
    """Have an hour behind the service, with a busy quarter in it: its counts are made up."""
    chance, counts = Random(7), Counter[str]()  # noqa: S311 - luck, no secret
    with connect(redis_url) as connection:
        now = Minutes(connection).now
        for minute in range(now - 59, now + 1):
            busy = math.exp(-(((minute - now + 22) / 8) ** 2))
            standing = {"queued:high": 2 * busy, "queued:default": 40 * busy, "queued:low": 15 * busy}
            standing |= {"running": 12 + 28 * busy + chance.random() * 4, "workers": 2, "slots": 1000}
            facts = {**counts, **{name: round(value) for name, value in standing.items()}}
            connection.delete(keys.minute(minute))
            connection.hset(keys.minute(minute), mapping=facts)
            for _ in range(round(12 + 28 * busy + chance.random() * 6)):
                counts.update(_one(chance, busy))
        tally.add(connection, counts)


def _one(chance: Random, busy: float) -> Counter[str]:
    """Return what one job adds to the counts."""
    result = Result.ERROR if chance.random() < 0.04 + 0.12 * busy else Result.COMPLETED
    run_s = chance.uniform(5, 15) * (1 + 0.6 * busy)
    counted = Counter({measures.FINISHED.of(result): 1})
    counted.update(measures.RUN.of(run_s, result))
    counted.update(measures.QUEUE_WAIT.of(chance.expovariate(1) * (0.1 + 20 * busy), "default"))
    counted.update(measures.KNOWING.of(chance.lognormvariate(-6.2, 0.5), "events"))
    for stage, share in SHARES.items():
        counted.update(measures.STAGE.of(run_s * share * chance.uniform(0.8, 1.2), stage))
    return counted


def _take(page: Page, name: str) -> None:
    if name == "service":
        expect(page.locator("#workers tbody tr")).to_have_count(1, timeout=15_000)
    elif name != "submit":
        expect(page.locator("#line:visible, .actions button:enabled").first).to_be_attached(timeout=15_000)
    if name.startswith("jobs"):  # its module has drawn the table
        expect(page.locator("#jobs")).to_have_attribute("aria-rowcount", str(len(TALKS) + 1), timeout=15_000)
    page.screenshot(path=HERE / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    sys.exit(main())
