"""What a service leaves behind whose supervisor was killed: processes and a folder, all named in its notice."""

import shutil
import signal
from itertools import chain
from pathlib import Path

import psutil

from .processes import members, send
from .runtime import Notice

PATIENCE_S = 10.0


def clean_up(notice: Notice) -> int:
    """End all processes that a service has left, its Valkey gently; return how many there were."""
    alive = {name: members(leader) for name, leader in notice.parts.items()}
    send(chain.from_iterable(found for name, found in alive.items() if name != "valkey"), signal.SIGKILL)
    valkey = alive.get("valkey", [])
    send(valkey, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(valkey, timeout=PATIENCE_S)
    send(stubborn, signal.SIGKILL)
    everyone = list(chain.from_iterable(alive.values()))
    psutil.wait_procs(everyone, timeout=PATIENCE_S)
    shutil.rmtree(Path(notice.scratch), ignore_errors=True)
    return len(everyone)
