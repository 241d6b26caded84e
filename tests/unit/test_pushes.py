from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pushes import Mishaps, Pushes, split

words = st.binary(max_size=6)
inner = st.one_of(
    words.map(lambda word: b"$%d\r\n%b\r\n" % (len(word), word)),
    st.integers().map(lambda number: b":%d\r\n" % number),
    st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"+OK\r\n", b"-ERR no\r\n"]),
)
replies = st.recursive(
    inner, lambda each: st.lists(each, max_size=4).map(lambda all_: b"*%d\r\n" % len(all_) + b"".join(all_))
)


def message(text: str) -> bytes:
    return b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (len(text), text.encode())


ACKNOWLEDGED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"


@given(sent=st.lists(replies, max_size=6), cuts=st.lists(st.integers(1, 20), max_size=40))
def test_a_stream_is_cut_into_the_replies_that_it_was_made_of_however_it_arrives(
    sent: list[bytes], cuts: list[int]
) -> None:
    stream, found, rest = b"".join(sent), [], b""
    for size in [*cuts, len(stream) + 1]:
        frames, rest = split(rest + stream[:size])
        found, stream = [*found, *frames], stream[size:]
    assert (found, rest) == (sent, b"")


@given(sent=st.lists(st.one_of(replies, st.text(max_size=3).map(lambda _: ACKNOWLEDGED)), max_size=6))
def test_without_mishaps_nothing_changes(sent: list[bytes]) -> None:
    assert Pushes(Mishaps(), random.random).feed(b"".join(sent)) == b"".join(sent)


def test_what_is_no_resp2_is_said_so() -> None:
    with pytest.raises(ValueError, match="not RESP2"):
        split(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize(
    ("mishaps", "arrives"),
    [
        (Mishaps(drop=1), ""),
        (Mishaps(duplicate=1), "112233"),
        (Mishaps(reorder=1), "213"),
        (Mishaps(duplicate=1, reorder=1), "221133"),
    ],
)
def test_messages_are_lost_doubled_and_overtaken_and_acknowledgements_are_not(mishaps: Mishaps, arrives: str) -> None:
    pushes = Pushes(mishaps, lambda: 0.0)
    sent = [ACKNOWLEDGED, *map(message, "123"), b"$4\r\nPONG\r\n"]
    on_its_way = b"".join(pushes.feed(each) for each in sent)
    assert pushes.holds == bool(mishaps.reorder)  # the third has nothing to overtake it yet
    frames, _ = split(on_its_way + pushes.let_go())
    assert [each for each in frames if each in sent[:1] + sent[-1:]] == [sent[0], sent[-1]]
    assert [each for each in frames if each.startswith(b"*3\r\n$7")] == [message(each) for each in arrives]
    assert not pushes.holds
    assert mishaps.lost == 3 - len(set(arrives))
