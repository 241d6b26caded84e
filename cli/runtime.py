"""Where a running service leaves word of itself, for `stop`, `server-status` and a second `up`.

A claim is a lock on a file, held by whoever has the file open: it ends with its holder, however that ends.
"""

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from .exits import StartError
from .processes import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a service says of itself. `parts` are the leaders of its sessions by name; `scratch` goes when it ends."""

    supervisor: Mark
    port: int
    url: str
    redis_url: str
    data: str | None
    logs: str
    scratch: str
    drain_s: float
    parts: Mapping[str, Mark]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read it. Raises KeyError, TypeError or ValueError where it is none."""
        parts = {name: Mark(**each) for name, each in raw["parts"].items()}
        return cls(**{**raw, "supervisor": Mark(**raw["supervisor"]), "parts": parts})


class Claim:
    """Something that one holder alone can have, as long as it keeps `fd` open; a child may inherit it."""

    def __init__(self, fd: int, path: Path) -> None:
        self.fd, self._path = fd, path

    @classmethod
    def take(cls, path: Path, word: str = "") -> Self | None:
        """Take what `path` stands for and leave a word in it; None if somebody else has it."""
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                    break
            except BlockingIOError:
                os.close(fd)
                return None
            os.close(fd)  # its last holder has removed the file between our two steps: once more, with a new one
        os.ftruncate(fd, 0)
        os.pwrite(fd, word.encode(), 0)
        return cls(fd, path)

    def give_back(self) -> None:
        """Let go of it; whoever has inherited it holds it still."""
        os.close(self.fd)

    def give_up(self) -> None:
        """Let go of it and leave no file. Only for what nobody has inherited."""
        self._path.unlink(missing_ok=True)
        self.give_back()


class Runtime:
    """This user's folder of notices, one per port; whoever leaves it empty takes it away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls, env: Mapping[str, str]) -> Self:
        """Open the folder, made if need be. Raises StartError if it is not this user's alone."""
        base = env.get("XDG_RUNTIME_DIR", "")
        found = cls(Path(base) / "dubq" if Path(base).is_dir() and base else _in_temp())
        found._make()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # another service has something in it
            self._folder.rmdir()

    def claim(self, port: int) -> Claim | None:
        """Claim a port among this user's services; None if one of them has it."""
        while True:
            try:
                return Claim.take(self._folder / f"{port}.lock")
            except FileNotFoundError:  # somebody else has just left the folder
                self._make()

    def write(self, notice: Notice) -> None:
        """Leave word, whole or not at all."""
        path = self._path(notice.port)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(notice.to_json(), indent=2) + "\n", "utf-8")
        draft.replace(path)

    def read(self, port: int) -> Notice | None:
        """Return the word of the service on a port; None if there is none, or none that can be read."""
        with contextlib.suppress(OSError, KeyError, TypeError, ValueError):
            return Notice.from_json(json.loads(self._path(port).read_text("utf-8")))
        return None

    def remove(self, port: int) -> None:
        """Take the word back."""
        self._path(port).unlink(missing_ok=True)

    def _make(self) -> None:
        """Make the folder if need be. Raises StartError if it is not this user's alone."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        status = self._folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise StartError(f"{self._folder} has to be a folder that only you can write to")

    def _path(self, port: int) -> Path:
        return self._folder / f"{port}.json"


def _in_temp() -> Path:
    return Path(tempfile.gettempdir()) / f"dubq-{os.getuid()}"
