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
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
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
