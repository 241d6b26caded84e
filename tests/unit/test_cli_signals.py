"""Signals that ask a command to stop: whom they reach, and when."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

import pytest
from click.testing import CliRunner

from cli import main
from cli.stops import Stops

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def ignored(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    before = signal.signal(request.param, signal.SIG_IGN)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_that_was_ignored_when_we_came_stays_ignored(ignored: signal.Signals) -> None:
    with Stops() as stops:
        assert signal.getsignal(ignored) is signal.SIG_IGN
        os.kill(os.getpid(), ignored)
        assert stops() == 0
    assert signal.getsignal(ignored) is signal.SIG_IGN


def test_a_signal_is_counted_and_its_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Stops() as stops:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stops() == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_while_a_command_is_being_imported_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_name: str) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "import_module", interrupted)
    found = CliRunner().invoke(main.dubq, ["status", "j1"])
    assert (found.exit_code, found.output) == (130, "")
