"""Engines from outside: found by entry point or by path, and one of them chosen for each job."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from contract.engines import SIMULATOR
from contract.errors import SettingsError
from contract.job import Output

from .engine import Control, Engine, EngineError, Task

GROUP: Final = "dubq.engines"
"""The entry points of a distribution that has engines: a name, and something that makes one when it is called."""

Make = Callable[[], Engine]


def installed() -> dict[str, EntryPoint]:
    """Return the engines that distributions bring along, by name."""
    return {each.name: each for each in entry_points(group=GROUP)}


def find(name: str) -> Make:
    """Return what makes the engine of this name, or at this `module:attribute`. Raises SettingsError."""
    module, colon, attribute = name.partition(":")
    entries = entry_points(group=GROUP, name=name)
    if not colon and len(entries) != 1:
        there = ", ".join(sorted({SIMULATOR, *installed()}))
        raise SettingsError([f"DUBQ_ENGINE={name!r}: {len(entries)} engines have this name; there are {there}"])
    try:
        made = getattr(import_module(module), attribute) if colon else entries[name].load()
        return cast("Make", made)
    except (ImportError, AttributeError) as error:
        raise SettingsError([f"DUBQ_ENGINE={name!r}: {error}"]) from error


class Choice:
    """Several engines as one: each job has the one that its submission names, or else the first."""

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._engines = dict(engines)
        self._default = next(iter(self._engines))

    def translate(self, task: Task, control: Control) -> Output:
        """Have the job's engine do it."""
        name = task.job.engine or self._default
        engine = self._engines.get(name)
        if engine is None:  # the API knows of one that this worker does not: another may have it
            raise EngineError("engine_missing", f"This worker has no engine {name}", retryable=True)
        return engine.translate(task, control)
