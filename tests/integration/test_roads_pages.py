"""What docs/roads/ shows of each road has to be what goes over the wire."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from client import Road, TranslationClient

if TYPE_CHECKING:
    from service import Service

PAGES = Path(__file__).parents[2] / "docs" / "roads"


def shown(page: str, language: str) -> list[str]:
    """Return the examples of one page that are in `language`."""
    text = (PAGES / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_all(page: str, service: Service) -> list[str]:
    """Run the page's commands, about a job of this page's own; return what each block printed."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    job_id = "shown-" + page.removesuffix(".md")
    commands = [each.replace("localhost:5000", service.url).replace("talk-es", job_id) for each in shown(page, "sh")]
    return [
        subprocess.run(["/bin/sh", "-ec", each], check=True, capture_output=True, timeout=30).stdout.decode()
        for each in commands
    ]


def test_connect_says_where_redis_is_and_who_asks(service: Service) -> None:
    (said,) = run_all("redis.md", service)
    assert service.redis_url in said
    assert '"channel": "dubq:events:default:*"' in said


def test_the_shown_subscriber_knows_the_end(service: Service, client: TranslationClient) -> None:
    (code,) = shown("redis.md", "python")
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    job = client.submit("https://example.com/talk.mp4")
    assert names["wait"](service.url, job.job_id)["state"] == "completed"


def test_the_shown_stream_begins_with_the_job_and_ends_with_its_end(service: Service) -> None:
    (said,) = run_all("events.md", service)
    data = [line for line in said.splitlines() if line.startswith("data: ")]
    assert "}: ping 1\nretry: 1000\n\nid: " in said
    assert '"state":"completed"' in data[-1]


def test_the_shown_answers_are_held_until_there_is_news(service: Service) -> None:
    end, change, submitted, with_pings = run_all("long-poll.md", service)
    assert "Preference-Applied: wait=55; until=done\r\n" in end
    assert '"state": "completed"' in end
    assert "Preference-Applied: wait=55\r\n" in change
    assert submitted.startswith("HTTP/1.1 202 ")
    assert '"state": "completed"' in submitted
    assert "Preference-Applied: wait=55; until=done; ping=1\r\n" in with_pings


def test_the_shown_questions_are_answered_with_what_a_poller_needs(service: Service) -> None:
    (said,) = run_all("polling.md", service)
    assert 'ETag: "' in said
    assert "Retry-After: " in said


def test_the_shown_clients_take_the_roads_that_are_named() -> None:
    (code,) = shown("README.md", "python")
    exec(code, {})  # noqa: S102 - our own page
    with pytest.raises(ValueError, match="bridge"):
        TranslationClient(roads=["bridge"])
    rows = re.findall(r"^\| `(\w+)` \|", (PAGES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert rows == list(Road)
