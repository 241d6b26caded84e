from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from client.sse import Parser


@given(
    events=st.lists(st.lists(st.text("ab: é", max_size=5), min_size=1, max_size=3), max_size=5),
    ends=st.sampled_from(["\n", "\r", "\r\n"]),
    cuts=st.lists(st.integers(0, 200)),
)
def test_it_does_not_matter_how_the_wire_cuts_a_stream(events: list[list[str]], ends: str, cuts: list[int]) -> None:
    lines = [line for event in events for line in (*(f"data: {part}" for part in event), "", ": on")]
    text = "".join(line + ends for line in [*lines, ": end"]).encode()
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parser = Parser(15.0)
    found = [data for a, b in itertools.pairwise(borders) for data in parser.feed(text[a:b])]
    assert found == ["\n".join(event).encode() for event in events]
