"""The engine that docs/how-to/engine.md shows has to be one."""

import re
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from given import a_job

from contract.job import Job
from contract.states import State
from store.jobs import JobStore
from store.ledger import Ledger
from store.settings import StoreSettings
from worker.logs import Log
from worker.runner import Runner

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "engine.md"


@pytest.fixture
def shown() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        exec(code, names)  # noqa: S102 - our own page
    return names


def run(shown: dict[str, Any], **fields: Any) -> Job:
    ledger = Ledger(fakeredis.FakeRedis(version=(7,)), StoreSettings())
    JobStore(ledger).create(a_job(**fields), fingerprint="f")
    Runner(engine=shown["Studio"](), log=Log()).run("j1", ledger)
    return JobStore(ledger).read("j1", "default")


def test_the_shown_engine_completes_a_job(shown: dict[str, Any]) -> None:
    shown["TOOLS"].update({stage: ["true"] for stage in shown["TOOLS"]})
    assert run(shown, target_language="es").state is State.COMPLETED


def test_the_shown_engine_refuses_what_it_cannot_do(shown: dict[str, Any]) -> None:
    job = run(shown)
    assert job.error is not None
    assert job.error.code == "no_target_language"


def test_the_shown_engine_asks_for_another_attempt_when_a_tool_fails(shown: dict[str, Any]) -> None:
    shown["TOOLS"]["voice"] = ["false"]
    job = run(shown, target_language="es")
    assert (job.state, job.attempt) == (State.QUEUED, 2)


def test_the_shown_fetch_is_pinned_to_the_address_that_was_looked_at(
    shown: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("8.8.8.8", 443))])
    assert "talks.example:443:8.8.8.8" in shown["fetch"]("https://talks.example/v.mp4", "v.mp4")
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.0.0.1", 443))])
    for url in ("https://talks.example/v.mp4", "http://2130706433/"):
        with pytest.raises(shown["NowhereError"]):
            shown["fetch"](url, "v.mp4")
