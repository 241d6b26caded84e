"""Following the logs of the API and the workers: a person is shown what went wrong, the files have everything."""

import json
import re
from pathlib import Path
from typing import Final

_LOUD: Final = frozenset({"warning", "error", "critical"})
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_CONSOLE_LINE: Final = re.compile(r"[0-9T:.-]+Z? \[?(debug|info|warning|error|critical) *\]? *(.*)", re.IGNORECASE)
"""A time, a level and words: the form `console`, of the API and of workers."""
_ASIDE: Final = frozenset({"event", "level", "timestamp", "logger", "exception"})


class Reader:
    """Picks what a person should see out of one part's lines."""

    def __init__(self) -> None:
        self._is_loud = False  # lines of no form, such as a traceback's, go with the line before them

    def read(self, line: str) -> str | None:
        """Return the line in words, or None if it is only for the file."""
        line = _COLOUR.sub("", line).rstrip()
        if line.startswith("{"):
            return self._json(line)
        if found := _CONSOLE_LINE.match(line):
            self._is_loud = found[1].lower() in _LOUD
            line = found[2]
        return line if self._is_loud and line else None

    def _json(self, line: str) -> str | None:
        try:
            fields = json.loads(line)
        except ValueError:
            return line if self._is_loud else None
        self._is_loud = fields.get("level") in _LOUD
        if not self._is_loud:
            return None
        said = " ".join(f"{name}={value}" for name, value in fields.items() if name not in _ASIDE)
        return f"{fields['level']}: {fields.get('event')} {said}".rstrip()


class LogTail:
    """Follows one log file from where it ends now."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self._path, self._reader = name, path, Reader()
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def news(self) -> list[str]:
        """Return what a person should see of the lines that have been written since the last call."""
        if not self._path.exists() or self._path.stat().st_size == self._offset:
            return []
        with self._path.open("rb") as log:
            log.seek(self._offset)
            written = log.read()
        self._offset += len(written)
        *lines, self._rest = (self._rest + written).split(b"\n")
        return [word for line in lines if (word := self._reader.read(line.decode("utf-8", "replace")))]


def last_words(path: Path, count: int = 8) -> str:
    """Return what the end of a log says to somebody who wants to know why its part has died."""
    if not path.exists():
        return ""
    lines = path.read_text("utf-8", "replace").splitlines()
    reader = Reader()
    loud = [word for line in lines if (word := reader.read(line))]
    return "\n".join(f"    {line}" for line in (loud or lines)[-count:])
