"""Tokens and secrets: what they look like, what is kept of them, and for how long."""

from __future__ import annotations

import re
from datetime import timedelta

from given import START

from store.credentials import MOST_HELD, Client, Held, new_token, sha256

HOUR = timedelta(hours=1)


def a_client(*tokens: Held) -> Client:
    return Client(client_id="acme", created_at=START, tokens=tokens or (Held("t1"),))


def test_a_token_has_a_prefix_that_scanners_find_and_all_of_its_256_bits() -> None:
    tokens = {new_token(bytes([first]) + bytes(30) + bytes([last])) for first in range(16) for last in range(16)}
    assert len(tokens) == 256
    assert all(re.fullmatch(r"dubq_[A-Za-z0-9_-]{43}", each) for each in tokens)
    assert re.fullmatch(r"dubq_admin_[A-Za-z0-9_-]{43}", new_token(bytes(32), is_admin=True))


def test_what_is_kept_of_a_token_is_what_redis_calls_the_hash_of_a_password() -> None:
    assert sha256("secret") == "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"


def test_the_token_before_lives_for_the_overlap_and_no_longer() -> None:
    client = a_client().rotate("t2", START, HOUR)
    assert client.live_tokens(START + HOUR - timedelta(milliseconds=1)) == ("t2", "t1")
    assert client.live_tokens(START + HOUR) == ("t2",)
    assert client.next_end() == START + HOUR


def test_without_an_overlap_the_token_before_has_ended() -> None:
    client = a_client().rotate("t2", START, timedelta(0))
    assert client.live_tokens(START) == ("t2",)
    ended = client.without_ended(START)
    assert (ended.tokens, ended.next_end()) == ((Held("t2"),), None)


def test_another_rotation_never_prolongs_what_is_ending() -> None:
    client = a_client().rotate("t2", START, HOUR).rotate("t3", START, 2 * HOUR)
    assert [each.until for each in client.tokens] == [None, START + 2 * HOUR, START + HOUR]
    sooner = client.rotate("t4", START, HOUR / 2)
    assert {each.until for each in sooner.tokens[1:]} == {START + HOUR / 2}


def test_a_client_holds_a_few_tokens_at_most() -> None:
    client = a_client()
    for n in range(20):
        client = client.rotate(f"t{n}", START, HOUR)
    assert client.live_tokens(START) == tuple(f"t{n}" for n in range(19, 19 - MOST_HELD, -1))


def test_a_client_is_read_as_it_was_written() -> None:
    client = a_client().rotate("t2", START + timedelta(milliseconds=7), HOUR)
    assert Client.parse(client.encode().encode()) == client
