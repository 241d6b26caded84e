"""What a library may do while it sends something for us."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.addresses import parse_networks
from worker.confined import Bounds, ConfinedError, within

if TYPE_CHECKING:
    from collections.abc import Callable

PLACES: dict[str, Callable[[], object]] = {
    "10.1.2.3 is not a public address": lambda: socket.create_connection(("10.1.2.3", 80), 0.1),
    "127.0.0.1 is not a public address": lambda: socket.create_connection(("127.0.0.1", 80), 0.1),
    "::1 is not a public address": lambda: socket.socket(socket.AF_INET6).connect(("::1", 80)),
    "Internet addresses alone": lambda: socket.socket(socket.AF_UNIX).connect("/run/some.socket"),
    "169.254.169.254 is not a public": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(
        b"", ("169.254.169.254", 1)
    ),
    "may start no program": lambda: subprocess.run([sys.executable, "-V"], check=False),
    "may open no file": lambda: Path("/etc/hostname").read_text("utf-8"),
    "may open no file ": lambda: Path(os.devnull).write_text("", "utf-8"),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # what was refused is left open by whoever wanted it
@pytest.mark.parametrize("words", PLACES)
def test_what_is_out_of_bounds_does_not_come_about(words: str) -> None:
    bounds = Bounds()
    with pytest.raises(ConfinedError):
        within(bounds, 5, PLACES[words])
    assert words.strip() in bounds.refused


def test_a_name_that_would_be_resolved_only_by_connecting_is_refused() -> None:
    bounds = Bounds(allowed=parse_networks("allow"))
    with socket.socket() as line, pytest.raises(ConfinedError):
        within(bounds, 5, lambda: line.connect(("localhost", 9)))


def test_who_is_not_confined_does_as_ever_also_meanwhile(tmp_path: Path) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def send() -> bool:
        begun.set()
        return goes_on.wait(5)

    outcome: list[bool | None] = []
    thread = threading.Thread(target=lambda: outcome.append(within(Bounds(), 10, send)))
    thread.start()
    assert begun.wait(5)
    (tmp_path / "file").write_text("x", "utf-8")
    goes_on.set()
    thread.join()
    assert outcome == [True]


def test_what_python_consists_of_may_be_read() -> None:
    assert within(Bounds(), 5, lambda: len(Path(os.__file__).read_bytes()))


@pytest.mark.sockets
def test_a_line_that_drips_is_cut_when_the_time_is_over() -> None:
    reading, bounds = threading.Event(), Bounds(allowed=parse_networks("127.0.0.0/8"))

    def listen_for_ever(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.settimeout(None)
            reading.set()
            return line.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(within, bounds, 60, lambda: listen_for_ever(server.getsockname()[1]))
        assert reading.wait(5)
        bounds.end()
        assert outcome.result(5) == b""


def test_nothing_new_begins_when_the_time_is_over() -> None:
    ended, seen, done = threading.Event(), list[BaseException](), threading.Event()

    def late() -> None:
        ended.wait(5)
        try:
            Path(os.__file__).read_text("utf-8")
        except ConfinedError as error:
            seen.append(error)
        done.set()

    assert within(Bounds(), 0.01, late) is None
    ended.set()
    assert done.wait(5)
    assert [str(each) for each in seen] == ["its time is over"]
