"""Who uses the page in its tests: clients of the service, and people at browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

    from client import TranslationClient

ADMIN = "the-admin-s-own-token"
WITHIN_MS = 15_000


class Tenant(NamedTuple):
    """A client of the service, and the library in its name."""

    client_id: str
    token: str
    client: TranslationClient

    def submit(self, **fields: Any) -> str:
        return self.client.submit("https://example.com/v.mp4", **{"target_language": "es", **fields}).job_id


class Visitor:
    """Somebody at a browser of their own. What the page complains of is in `complaints`."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(base_url=url, **options)
        self.complaints: list[str] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(WITHIN_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        return page

    def sign_in(self, token: str, path: str = "/") -> Page:
        """Get the cookie without the form, and open the page."""
        assert self.context.request.post("/page/login", form={"token": token}, max_redirects=0).status == 303
        self.page.goto(path)
        return self.page

    def _heard(self, said: ConsoleMessage) -> None:
        # a refusal is no mistake of the page's, and every browser mentions it
        if said.type in {"error", "warning"} and not said.text.startswith("Failed to load resource"):
            self.complaints.append(said.text)
