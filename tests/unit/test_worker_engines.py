"""Engines from outside, found by name, and the choice among them."""

from __future__ import annotations

import sys
from textwrap import dedent
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import redis
from given import OUTPUT, a_job

from contract import engines
from contract.errors import SettingsError
from worker.engine import EngineError, Task
from worker.engines import Choice, find, installed
from worker.settings import WorkerSettings
from worker.simulator import Simulator
from worker.tasks import engine_of

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = redis.Redis(port=1)
"""Nobody is asked for anything in these tests."""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a distribution with two engines, of which one cannot be imported, where Python looks for such."""
    (tmp_path / "acme_engine.py").write_text("class Acme:\n    pass\n", "utf-8")
    info = tmp_path / "acme_engine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-engine\nVersion: 1.0\n", "utf-8")
    entries = """\
        [dubq.engines]
        acme = acme_engine:Acme
        broken = acme_engine:NoSuchEngine
        """
    (info / "entry_points.txt").write_text(dedent(entries), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "names"),
    [("acme", ("acme",)), ("simulator, acme", ("simulator", "acme")), ("my.studio:Studio", ("my.studio:Studio",))],
)
def test_engines_are_named_by_name_or_by_path(text: str, names: tuple[str, ...]) -> None:
    assert engines.parse(text) == names


@pytest.mark.parametrize("text", ["", "acme,", "my studio", "acme:", ":Acme", "acme, acme", "a" * 65, "-acme"])
def test_what_can_be_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"has to be names of engines|names an engine twice"):
        engines.parse(text)


@pytest.mark.usefixtures("outside")
def test_a_distributions_engine_is_found_by_its_entry_point() -> None:
    assert installed()["acme"].value == "acme_engine:Acme"
    assert find("acme").__name__ == "Acme"


def test_an_engine_is_found_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_engine")
    module.__dict__["Real"] = dict
    monkeypatch.setitem(sys.modules, "my_engine", module)
    assert find("my_engine:Real") is dict


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nobody", "0 engines have this name; there are acme, broken, simulator"),
        ("broken", "has no attribute 'NoSuchEngine'"),
        ("no_such_module_at_all:Engine", "No module named"),
        ("worker.simulator:NoSuchEngine", "has no attribute"),
    ],
)
def test_an_engine_that_does_not_exist_is_a_fault_of_the_settings(name: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"DUBQ_ENGINE='{name}': .*{reason}"):
        engine_of(WorkerSettings(engines=(name,)), NOWHERE)


class Named:
    def __init__(self, name: str) -> None:
        self.name = name
        self.did: list[str] = []

    def translate(self, task: Task, control: Any) -> Any:  # noqa: ARG002
        self.did.append(task.job.job_id)
        return OUTPUT


def test_each_job_has_the_engine_that_it_names_or_else_the_first() -> None:
    acme, other = Named("acme"), Named("other")
    choice = Choice({"acme": acme, "other": other})
    for job_id, name in (("j1", None), ("j2", "other"), ("j3", "acme")):
        choice.translate(Task(job=a_job(job_id, engine=name)), None)  # type: ignore[arg-type]
    assert (acme.did, other.did) == (["j1", "j3"], ["j2"])


def test_a_job_whose_engine_this_worker_has_not_is_left_to_another_attempt() -> None:
    with pytest.raises(EngineError, match="no engine acme") as caught:
        Choice({"other": Named("other")}).translate(Task(job=a_job(engine="acme")), None)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.retryable) == ("engine_missing", True)


def test_the_engine_is_the_simulator_unless_another_is_named() -> None:
    made = engine_of(WorkerSettings(), NOWHERE)
    assert isinstance(made, Choice)
    assert [type(each) for each in made._engines.values()] == [Simulator]
