from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(
    events=st.lists(st.lists(st.text("ab: é", max_size=5), min_size=1, max_size=3), max_size=5),
    ends=st.sampled_from(["\n", "\r", "\r\n"]),
    cuts=st.lists(st.integers(0, 200)),
)
def test_it_does_not_matter_how_the_wire_cuts_a_stream(events: list[list[str]], ends: str, cuts: list[int]) -> None:
    lines = [line for event in events for line in (*(f"data: {part}" for part in event), "", ": on")]
    text = "".join(line + ends for line in [*lines, ": end"]).encode()
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parser = Parser()
    found = [data for a, b in itertools.pairwise(borders) for data in parser.feed(text[a:b])]
    assert found == ["\n".join(event).encode() for event in events]


def test_an_event_without_an_end_is_refused() -> None:
    parser, line = Parser(), b"data: " + b"x" * 2**20 + b"\n"
    assert parser.feed(line * 7) == []
    with pytest.raises(ValueError, match="without an end"):
        parser.feed(line * 2)
    with pytest.raises(ValueError, match="without an end"):
        Parser().feed(b"x" * (MOST_BYTES + 1))
