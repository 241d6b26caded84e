"""Server-sent events as they come off the wire: bytes in, the data of whole events out. No I/O.

Source: the event stream format of the HTML standard. What we do not need of it, ids and names, is passed over. That a
comment may say after how many seconds the next one comes at the latest, `: ping 15`, is a word of our own.
"""

import re
from typing import Final

MOST_BYTES: Final = 8 * 1024 * 1024
"""An event that is longer is none of ours."""


class Parser:
    """Reads one stream. `ping_s` is how long it may be silent, as it has last said of itself in a comment."""

    def __init__(self, ping_s: float) -> None:
        self.ping_s = ping_s
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, some: bytes) -> list[bytes]:
        """Return the data of each event that ends within `some`. Raises ValueError for an event without an end."""
        *lines, self._rest = _lines(self._rest + some)
        found = [data for line in lines if (data := self._take(line)) is not None]
        if len(self._rest) + self._size > MOST_BYTES:
            raise ValueError("an event without an end")
        return found

    def _take(self, line: bytes) -> bytes | None:
        """Add a line to the event that it is part of; return the event's data if it ends it."""
        if not line:
            data, self._data, self._size = self._data, [], 0
            return b"\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if not name:
            self._take_comment(value)
        elif name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
        return None

    def _take_comment(self, words: bytes) -> None:
        found = _PING.fullmatch(words)
        if found:
            self.ping_s = float(found[1])


_PING: Final = re.compile(rb" ?ping ([0-9]{1,3}(?:\.[0-9]{1,3})?)")


def _lines(text: bytes) -> list[bytes]:
    """Cut at LF, CR or both; a CR at the very end may be half of both, and stays."""
    whole = text.removesuffix(b"\r")
    lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines[-1] += text[len(whole) :]
    return lines
