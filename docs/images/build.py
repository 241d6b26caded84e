"""Takes the pictures of the page for the docs: `make screenshots`. The jobs in them stand still, by a frozen clock."""

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from cli.ground import Wish
from cli.service import Service
from client import TranslationClient

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
        browser = playwright.chromium.launch(executable_path=chromium, args=("--no-sandbox", "--disable-gpu"))
        for name, path, scheme, width, height in (
            ("jobs", "/", "light", 1280, 640),
            ("jobs-dark", "/", "dark", 1280, 640),
            ("jobs-narrow", "/", "light", 380, 640),
            ("job", f"/page/jobs/{SHOWN}", "light", 1280, 860),
            ("submit", "/page/submit", "light", 1280, 560),
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


def _take(page: Page, name: str) -> None:
    if name != "submit":
        expect(page.locator("#line:visible, .actions button:enabled").first).to_be_attached(timeout=15_000)
    page.screenshot(path=HERE / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    sys.exit(main())
