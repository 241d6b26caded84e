"""How the pieces of an answer go out: the head with what follows it, all else as it comes."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

import pytest

from api.gunicorn_worker import Together


class Line:
    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.packets.append(data)

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> None:
        self.packets.append(file.read()[offset : offset + count])

    def fileno(self) -> int:
        return 7


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([b"head", b"body"], [b"headbody"]),
        ([b"head"], [b"head"]),
        ([b"head", b"one", b"two"], [b"headone", b"two"]),
        ([b"head", b""], [b"head"]),
        ([], []),
    ],
)
def test_the_head_goes_out_with_what_comes_next(written: list[bytes], sent: list[bytes]) -> None:
    line = Line()
    with Together(line) as together:
        for data in written:
            together.sendall(data)
    assert line.packets == sent


def test_a_part_is_not_kept_until_the_next_one() -> None:
    line = Line()
    with Together(line) as together:
        together.sendall(b"head")
        together.sendall(b"now")
        assert line.packets == [b"headnow"]


def test_it_is_the_connection_for_all_else() -> None:
    with Together(Line()) as together:
        assert together.fileno() == 7


def test_the_head_goes_before_a_file_that_the_system_sends_by_itself() -> None:
    line = Line()
    with Together(line) as together:
        together.sendall(b"head")
        together.sendfile(BytesIO(b"the file"), 4, count=4)
    assert line.packets == [b"head", b"file"]
