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
    assert Parser(15.0).feed(text) == events


def test_an_event_without_an_end_is_refused() -> None:
    parser, line = Parser(15.0), b"data: " + b"x" * 2**20 + b"\n"
    assert parser.feed(line * 7) == []
    with pytest.raises(ValueError, match="without an end"):
        parser.feed(line * 2)
    with pytest.raises(ValueError, match="without an end"):
        Parser(15.0).feed(b"x" * (MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("comment", "ping_s"),
    [
        (b": ping 2", 2.0),
        (b":ping 0.5", 0.5),
        (b": ping", 15.0),
        (b": ping 1e9", 15.0),
        (b": ping -1", 15.0),
        (b": ping nan", 15.0),
        (b": pings 2", 15.0),
        (b"ping: 2", 15.0),
    ],
)
def test_a_stream_says_in_a_comment_how_long_it_may_be_silent(comment: bytes, ping_s: float) -> None:
    parser = Parser(15.0)
    assert parser.feed(comment + b"\n\n") == []
    assert parser.ping_s == ping_s
