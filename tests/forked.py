"""`-p forked`: a pytest plugin that lets every core run some of the tests that were collected.

For many tests that compute, and take a millisecond each: all is imported and collected once, then the process forks,
and whoever is done with a module takes the next one. pytest-xdist imports all again in each of its workers, and speaks
with them of each test: here that took longer than the tests.
"""

from __future__ import annotations

import gc
import os
import pickle
import tempfile
from contextlib import suppress
from pathlib import Path
from traceback import print_exc
from typing import IO, TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    Modules = list[list[pytest.Item]]

MOST_MODULES = 256
"""A turn is a byte."""


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Look for no garbage among what is imported and collected: it stays to the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    modules = _modules(session.items)
    others = min(os.cpu_count() or 1, len(modules)) - 1
    if session.testsfailed or session.config.option.collectonly or others < 1 or len(modules) > MOST_MODULES:
        return None
    turns = _turns(len(modules))
    children = [_fork(session, modules, turns) for _ in range(others)]
    try:
        _run(session, modules, turns)
    finally:
        ends = [os.waitpid(child, 0)[1] for child, _ in children]
    for (_, told), end in zip(children, ends, strict=True):
        _report(session, told)
        if end:
            session.shouldfail = f"a process has left its tests with exit status {os.waitstatus_to_exitcode(end)}"
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


class _Teller:
    """Notes each report in a file, for the process that has forked this one."""

    def __init__(self, config: pytest.Config, told: IO[bytes]) -> None:
        self._config, self._told = config, told

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        words = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        pickle.dump(words, self._told)


def _modules(items: list[pytest.Item]) -> Modules:
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    return list(modules.values())


def _turns(count: int) -> int:
    """Return where each process reads which module is its next: each turn is read by one of them, until all are."""
    turns, fill = os.pipe()
    os.write(fill, bytes(range(count)))
    os.close(fill)
    return turns


def _fork(session: pytest.Session, modules: Modules, turns: int) -> tuple[int, IO[bytes]]:
    told = tempfile.TemporaryFile()  # noqa: SIM115 - read and closed once the child has ended
    child = os.fork()
    if child == 0:
        _live(session, modules, turns, told)
    return child, told


def _live(session: pytest.Session, modules: Modules, turns: int, told: IO[bytes]) -> NoReturn:
    """Be a child: run tests and tell of them, and nothing else."""
    end = 1
    try:
        plugins = session.config.pluginmanager
        plugins.unregister(name="terminalreporter")
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            terminal = pytest.TerminalReporter(session.config, nowhere)
            plugins.register(terminal, "terminalreporter")
            terminal.pytest_sessionstart(session)
            plugins.register(_Teller(session.config, told))
            _run(session, modules, turns)
        told.flush()
        end = 0
    except BaseException:  # noqa: BLE001 - the parent is told by the exit status
        print_exc()
    finally:
        os._exit(end)


def _run(session: pytest.Session, modules: Modules, turns: int) -> None:
    items = _items(modules, turns)
    item = next(items, None)
    while item:
        following = next(items, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail or session.shouldstop:
            return
        item = following


def _items(modules: Modules, turns: int) -> Iterator[pytest.Item]:
    while turn := os.read(turns, 1):
        yield from modules[turn[0]]


def _report(session: pytest.Session, told: IO[bytes]) -> None:
    """Repeat what a child has told, as if it had happened here."""
    hook = session.config.hook
    with told, suppress(EOFError):
        told.seek(0)
        while True:
            report = hook.pytest_report_from_serializable(config=session.config, data=pickle.load(told))  # noqa: S301
            hook.pytest_runtest_logreport(report=report)
