"""The receivers that docs/how-to/webhooks.md shows have to be some."""

from __future__ import annotations

import io
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest
from hooks import OTHER_SECRET, SECRET, body_of, ended, event_of

from client import WebhookEvent, webhooks
from client.desk import now_utc
from contract.job import Failure, Job
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.sockets

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "webhooks.md"
EVENT = event_of(ended())


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return what the page defines under one of its headings."""
    monkeypatch.setenv("DUBQ_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("DATABASE", str(tmp_path / "talks.sqlite"))

    def run(heading: str) -> SimpleNamespace:
        section = PAGE.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
        (code,) = re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
        names: dict[str, Any] = {"__name__": "shown"}
        exec(code, names)  # noqa: S102 - our own page
        return SimpleNamespace(**names)

    return run


def signed(event: WebhookEvent = EVENT, secret: str = SECRET) -> dict[str, str]:
    return webhooks.sign(body_of(event), secret, webhook_id=event.webhook_id, timestamp=now_utc())


def test_the_flask_receiver_handles_an_event_once_and_refuses_strangers(
    shown: Callable[[str], Any], tmp_path: Path
) -> None:
    visitor = shown("With Flask").app.test_client()
    refused = visitor.post("/hooks", data=body_of(EVENT), headers=signed(secret=OTHER_SECRET))
    assert (refused.status_code, refused.json) == (401, {"code": "webhook_unverified"})
    assert visitor.post("/hooks", data=b"{}", headers=signed()).status_code == 401
    for _ in range(2):
        assert visitor.post("/hooks", data=body_of(EVENT), headers=signed()).status_code == 204
    with closing(sqlite3.connect(tmp_path / "talks.sqlite")) as database:
        assert database.execute("SELECT * FROM talks").fetchall() == [("j1", "completed")]
        assert database.execute("SELECT * FROM handled").fetchall() == [("msg_1",)]


def ask(application: Any, body: bytes, headers: dict[str, str], method: str = "POST") -> str:
    answered: list[str] = []
    environ = {"REQUEST_METHOD": method, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    environ |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    setup_testing_defaults(environ)
    assert list(application(environ, lambda status, _headers: answered.append(status))) == []
    return answered[0]


def test_the_wsgi_receiver_handles_an_event_once_and_refuses_strangers(shown: Callable[[str], Any]) -> None:
    example = shown("With plain WSGI")
    assert ask(example.application, body_of(EVENT), signed(secret=OTHER_SECRET)).startswith("401")
    assert ask(example.application, b"", {}, "GET").startswith("400")
    assert ask(example.application, b"x" * 1_000_001, signed()).startswith("400")
    for _ in range(2):
        assert ask(example.application, body_of(EVENT), signed()).startswith("204")
    assert example.handled == {"msg_1": EVENT.job}


class Service:
    """Notes what it is asked, and delivers the end of what is submitted at once."""

    def __init__(self, deliver: Callable[..., Any]) -> None:
        self.asked: list[tuple[str, str]] = []
        self._deliver = deliver

    def reset(self, job_id: str) -> None:
        self.asked.append(("reset", job_id))

    def cancel(self, job_id: str) -> None:
        self.asked.append(("cancel", job_id))

    def submit(self, _video_url: str, *, target_language: str, callback_url: str) -> Job:
        job = ended(job_id=f"to-{target_language}")
        self._deliver(callback_url, ended(job_id="another"), SECRET, "msg_0")
        assert self._deliver(callback_url, job, SECRET).status_code == 204
        return job


def test_the_shown_handlers_retry_notify_and_cancel(shown: Callable[[str], Any]) -> None:
    deliver = shown("To try a receiver").deliver
    service, told = Service(deliver), list[str]()
    with shown("In a script or a test").receiver(SECRET, service, told.append, {"j3": ["j4"]}) as server:
        passing = Failure(code="voice_busy", message="busy", retryable=True)
        again = replace(ended(State.ERROR, "j5"), error=passing)
        jobs = [ended(), ended(State.ERROR, "j2"), ended(State.CANCELLED, "j3"), again]
        for number, job in enumerate(jobs):
            assert deliver(server.url, job, SECRET, f"msg_{number}").status_code == 204
    assert told == ["j1 is there: https://example.com/es.mp4", "j2 failed: silence"]
    assert service.asked == [("cancel", "j4"), ("reset", "j5")]


def test_the_shown_script_returns_the_job_that_it_has_submitted(shown: Callable[[str], Any]) -> None:
    service = Service(shown("To try a receiver").deliver)
    assert shown("In a script or a test").translate("https://example.com/v.mp4", SECRET, service) == ended(
        job_id="to-es"
    )
