"""What a service leaves behind whose supervisor was killed: processes and a folder, all named in its notice."""

import shutil
import signal
from itertools import chain
from pathlib import Path
from typing import Final

from .processes import await_end, members, send
from .runtime import Notice

PATIENCE_S: Final = 10.0


def clean_up(notice: Notice) -> int:
    """End all processes that a service has left, its Valkey gently; return how many there were."""
    alive = {name: members(leader) for name, leader in notice.parts.items()}
    send(chain.from_iterable(found for name, found in alive.items() if name != "valkey"), signal.SIGKILL)
    valkey = alive.get("valkey", [])
    send(valkey, signal.SIGTERM)
    send(await_end(valkey, PATIENCE_S), signal.SIGKILL)
    everyone = list(chain.from_iterable(alive.values()))
    await_end(everyone, PATIENCE_S)
    shutil.rmtree(Path(notice.scratch), ignore_errors=True)
    return len(everyone)
