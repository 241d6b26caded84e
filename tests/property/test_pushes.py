"""Streams of Redis' replies, cut where they should not be."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from pushes import Mishaps, Pushes, split

ACKNOWLEDGED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
words = st.binary(max_size=6)
inner = st.one_of(
    words.map(lambda word: b"$%d\r\n%b\r\n" % (len(word), word)),
    st.integers().map(lambda number: b":%d\r\n" % number),
    st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"+OK\r\n", b"-ERR no\r\n"]),
)
replies = st.recursive(
    inner, lambda each: st.lists(each, max_size=4).map(lambda all_: b"*%d\r\n" % len(all_) + b"".join(all_))
)


@given(sent=st.lists(replies, max_size=6), cuts=st.lists(st.integers(1, 20), max_size=40))
def test_a_stream_is_cut_into_the_replies_that_it_was_made_of_however_it_arrives(
    sent: list[bytes], cuts: list[int]
) -> None:
    stream, found, rest = b"".join(sent), [], b""
    for size in [*cuts, len(stream) + 1]:
        frames, rest = split(rest + stream[:size])
        found, stream = [*found, *frames], stream[size:]
    assert (found, rest) == (sent, b"")


@given(sent=st.lists(st.one_of(replies, st.just(ACKNOWLEDGED)), max_size=6))
def test_without_mishaps_nothing_changes(sent: list[bytes]) -> None:
    assert Pushes(Mishaps(), random.random).feed(b"".join(sent)) == b"".join(sent)
