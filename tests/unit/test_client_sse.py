from __future__ import annotations

import pytest

from client.sse import MOST_BYTES, Parser


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\r", []),  # the last one may be half an end of line
        (b"data: a\r\r\n", [b"a"]),
        (b"id: 5-0\nevent: x\nretry: 1000\ndata: a\n\n", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": a comment\n\ndata: a\n\n: another\n\n", [b"a"]),
        (b"data\n\n", [b""]),
        (b"\n\n\n", []),
        (b"data: never ended", []),
        (b"dat: a\n\n", []),
    ],
)
def test_a_stream_is_read_as_its_standard_says(text: bytes, events: list[bytes]) -> None:
    assert Parser().feed(text) == events


def test_an_event_without_an_end_is_refused() -> None:
    parser, line = Parser(), b"data: " + b"x" * 2**20 + b"\n"
    assert parser.feed(line * 7) == []
    with pytest.raises(ValueError, match="without an end"):
        parser.feed(line * 2)
    with pytest.raises(ValueError, match="without an end"):
        Parser().feed(b"x" * (MOST_BYTES + 1))
