from __future__ import annotations

import pytest
from pushes import Mishaps, Pushes, split

ACKNOWLEDGED = b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"


def message(text: str) -> bytes:
    return b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (len(text), text.encode())


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
