"""Each step of docs/how-to/migrate.md has to work as it is shown, the loop that it begins with too."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from client import TranslationClient, WaitTimeoutError
from contract.states import State

if TYPE_CHECKING:
    from service import Service

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "migrate.md").read_text("utf-8")
VIDEO = "https://example.com/talk.mp4"


def shown(heading: str) -> Any:
    """Return what the page defines under one of its headings."""
    section = PAGE.split(f"\n## {heading}\n")[1] if heading else PAGE
    (code,) = re.findall(r"^```python\n(.*?)^```", section.split("\n## ")[0], re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    return SimpleNamespace(**names)


def test_the_loop_to_come_from_does_work_on_a_good_day(service: Service) -> None:
    assert shown("").translate(service.url, VIDEO, every_s=0.05).endswith(".mp4")


def test_the_client_waits_for_what_a_post_has_submitted(service: Service) -> None:
    assert shown("1. Let the client wait").translate(service.url, VIDEO).endswith(".mp4")


def test_the_same_order_twice_is_one_job(client: TranslationClient) -> None:
    translate = shown("2. Let the client submit").translate
    assert translate(client, VIDEO, 17) == translate(client, VIDEO, 17)
    assert [job.job_id for job in client.jobs() if job.job_id.startswith("order-")] == ["order-17"]


def test_progress_is_shown_while_the_job_runs(client: TranslationClient) -> None:
    told: list[str] = []
    shown("3. Be told on the way").translate(client, VIDEO, told.append)
    assert "None 100%" in told


def test_a_wait_that_timed_out_goes_on_by_its_token(client: TranslationClient) -> None:
    tokens: list[str] = []
    with pytest.raises(WaitTimeoutError):
        shown("4. Say what a timeout means").translate(client, VIDEO, tokens.append, patience_s=0)
    assert client.wait(*tokens).state is State.COMPLETED


def test_all_of_many_are_saved(client: TranslationClient) -> None:
    saved: dict[str, tuple[State, str]] = {}
    shown("5. Wait for many at once").translate_all(
        client, [VIDEO] * 3, lambda job_id, state, url: saved.update({job_id: (state, url)})
    )
    assert len(saved) == 3
    assert all(state is State.COMPLETED and url for state, url in saved.values())


def test_what_ended_while_nobody_was_there_is_handled_at_once(client: TranslationClient) -> None:
    ended, later = client.wait(client.submit(VIDEO).job_id), client.submit(VIDEO)
    handled: list[str] = []
    shown("From callbacks").follow(client, [ended.resume_token, later.job_id], lambda job: handled.append(job.job_id))
    assert handled == [ended.job_id, later.job_id]
