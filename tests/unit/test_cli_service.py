"""The start of the whole service, where it does not get far."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service import free_port

from cli import service
from cli.embedded import command, scratch_folder
from cli.exits import Exit, StartError, StoppedError, exit_of
from cli.ground import Wish
from cli.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.sockets


@pytest.fixture
def mute() -> Iterator[int]:
    """Give the port of somebody who takes connections, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def wish(folder: Path, redis_url: str) -> Wish:
    return Wish(env={"DUBQ_REDIS_URL": redis_url, "XDG_RUNTIME_DIR": str(folder)}, port=0, workers=0)


def test_a_redis_that_is_not_there_is_named_then_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SILENCE_S", 0.1)
    monkeypatch.setattr(service, "FOREIGN_START_S", 0.4)
    port, said = free_port(), list[str]()
    with (
        pytest.raises(StartError) as refused,
        Service(wish(tmp_path, f"redis://:geheim@127.0.0.1:{port}"), said.append),
    ):
        pass
    assert said == [f"waiting for Redis at redis://:***@127.0.0.1:{port} …"]
    assert f"127.0.0.1:{port} was not ready within 0.4 s: " in str(refused.value)
    assert "refused" in str(refused.value)  # by whom it was, in Redis's client's words
    assert "geheim" not in str(refused.value)
    assert exit_of(refused.value) is Exit.UNREACHABLE
    assert not list(tmp_path.iterdir())


def test_a_stop_is_heard_while_a_question_is_not_answered(tmp_path: Path, mute: int) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began_s = time.monotonic()
    with pytest.raises(StoppedError), Service(wish(tmp_path, f"redis://127.0.0.1:{mute}"), print, stop.is_set):
        pass
    assert time.monotonic() - began_s < 1.5


def test_a_stop_that_came_with_the_answer_is_heard(tmp_path: Path, mute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stops = list[int]()
    monkeypatch.setattr(service.readiness, "redis_is_ready", lambda _url: stops.append(1) or True)
    with (
        pytest.raises(StoppedError),
        Service(wish(tmp_path, f"redis://127.0.0.1:{mute}"), print, lambda: len(stops)),
    ):
        pass


def test_the_embedded_valkey_has_no_port_and_a_socket_of_its_owner_s_alone() -> None:
    folder = scratch_folder()
    try:
        _, *words = command(Path("valkey-server"), folder / "s", folder)
        options = dict(zip(words[::2], words[1::2], strict=True))
        assert (options["--port"], options["--unixsocketperm"], folder.stat().st_mode & 0o077) == ("0", "700", 0)
    finally:
        folder.rmdir()
