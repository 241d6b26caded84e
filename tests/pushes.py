"""What Redis pushes to a subscriber, cut apart on its way, and lost, doubled or overtaken. RESP2, no I/O.

Source: the Redis serialization protocol specification, and the push formats of its pub/sub.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE = b"*3\r\n$7\r\nmessage\r\n"
"""How a published message begins; acknowledgements, pongs and answers begin otherwise."""


@dataclass
class Mishaps:
    """What may happen to messages: each is a share of them, from 0 to 1. May be changed at any time.

    `lost` counts those that were dropped.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    lost: int = 0


class Pushes:
    """One connection's bytes on their way to the subscriber; `chance` in [0, 1) decides what happens to a message."""

    def __init__(self, mishaps: Mishaps, chance: Callable[[], float]) -> None:
        self._mishaps, self._chance = mishaps, chance
        self._rest = b""
        self._held = b""

    @property
    def holds(self) -> bool:
        """Whether a message waits for the next one to overtake it."""
        return bool(self._held)

    def feed(self, chunk: bytes) -> bytes:
        """Take what the server has sent; return what goes on to the subscriber, in whole replies."""
        frames, self._rest = split(self._rest + chunk)
        return b"".join(self._pass_on(frame) if frame.startswith(MESSAGE) else frame for frame in frames)

    def let_go(self) -> bytes:
        """Return what nothing has overtaken."""
        held, self._held = self._held, b""
        return held

    def _pass_on(self, message: bytes) -> bytes:
        if self._chance() < self._mishaps.drop:
            self._mishaps.lost += 1
            return b""
        copies = message * (2 if self._chance() < self._mishaps.duplicate else 1)
        if self._held or self._chance() >= self._mishaps.reorder:
            return copies + self.let_go()
        self._held = copies
        return b""


def split(stream: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into whole replies and the beginning of the next. Raises ValueError for what is no RESP2."""
    frames, at = [], 0
    while (end := _end(stream, at)) is not None:
        frames.append(stream[at:end])
        at = end
    return frames, stream[at:]


def _end(stream: bytes, at: int) -> int | None:
    """Return where the reply that begins at `at` ends; None if it is not all there."""
    line_end = stream.find(b"\r\n", at)
    if line_end < 0:
        return None
    kind, word, end = stream[at : at + 1], stream[at + 1 : line_end], line_end + 2
    if kind in {b"+", b"-", b":"}:
        return end
    if kind == b"$":
        end += 0 if word == b"-1" else int(word) + 2
        return end if end <= len(stream) else None
    if kind != b"*":
        raise ValueError(f"not RESP2: {stream[at : at + 20]!r}")
    for _ in range(int(word)):
        inner = _end(stream, end)
        if inner is None:
            return None
        end = inner
    return end
