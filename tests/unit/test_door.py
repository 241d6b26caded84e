"""Whose a token is, and how slow guessing is; on fakeredis and a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.address import address_of
from contract.limits import Rate, TooManyWrongTokensError
from store import keys
from store.clients import Clients
from store.door import Caller, Door

if TYPE_CHECKING:
    import redis
    from given import Clock

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def door(connection: redis.Redis, clock: Clock) -> Door:
    """Return a door at which an address may show three wrong tokens a minute."""
    return Door(connection, Rate(3, 60), clock)


@pytest.fixture
def token(connection: redis.Redis, clock: Clock) -> str:
    return Clients(connection, clock).create("acme").token


def guess(door: Door, times: int, address: str = HERE) -> None:
    for number in range(times):
        assert door.let_in(f"guess-{number}", address) is None


def test_after_so_many_wrong_tokens_none_that_is_new_there_is_looked_at(door: Door, token: str, clock: Clock) -> None:
    guess(door, 3)
    for shown in ("another", token):
        with pytest.raises(TooManyWrongTokensError) as caught:
            door.let_in(shown, HERE)
        assert (caught.value.limit, caught.value.most, caught.value.retry_after_s) == ("wrong_tokens", 3, 63)
    clock.pass_s(63)
    assert door.let_in(token, HERE) == Caller("acme")


def test_who_guesses_locks_out_nobody_elsewhere(door: Door, token: str) -> None:
    guess(door, 3)
    assert door.let_in(token, ELSEWHERE) == Caller("acme")


def test_nor_whoever_was_let_in_from_the_same_address_before(door: Door, token: str, connection: redis.Redis) -> None:
    admin = Clients(connection).make_admin() or ""
    for each in (token, admin):
        assert door.let_in(each, HERE)
    guess(door, 3)
    assert door.let_in(token, HERE) == Caller("acme")
    assert door.let_in(admin, HERE) == Caller("default", is_admin=True)


def test_the_admin_s_own_token_is_guessed_no_faster(door: Door) -> None:
    guess(door, 3)
    with pytest.raises(TooManyWrongTokensError):
        door.let_in("the-admin-s", HERE, is_given=True)
    assert door.let_in("the-admin-s", ELSEWHERE, is_given=True) == Caller("default", is_admin=True)


def test_a_token_that_was_good_and_has_ended_is_a_wrong_one(door: Door, token: str, connection: redis.Redis) -> None:
    assert door.let_in(token, HERE)
    Clients(connection).delete("acme")
    guess(door, 2)
    assert door.let_in(token, HERE) is None
    with pytest.raises(TooManyWrongTokensError):
        door.let_in("another", HERE)


def test_without_a_limit_nothing_is_counted(connection: redis.Redis, token: str) -> None:
    door = Door(connection)
    guess(door, 20)
    assert door.let_in(token, HERE) == Caller("acme")
    assert connection.exists(keys.wrong_tokens(HERE)) == 0


@pytest.mark.sockets
def test_a_full_redis_lets_in_whoever_may(real: redis.Redis, clock: Clock) -> None:
    token = Clients(real, clock).create("acme").token
    real.config_set("maxmemory", 1)
    try:
        assert Door(real, Rate(3, 60), clock).let_in(token, HERE) == Caller("acme")
    finally:
        real.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("192.0.2.1", "", 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", 1, "198.51.100.7"),
        ("192.0.2.1", "203.0.113.9, 198.51.100.7", 1, "198.51.100.7"),
        ("192.0.2.1", "203.0.113.9, 198.51.100.7", 2, "203.0.113.9"),
        ("192.0.2.1", "198.51.100.7", 2, "192.0.2.1"),
        ("192.0.2.1", "nonsense", 1, "192.0.2.1"),
        ("192.0.2.1", "", 1, "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "", 0, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", 0, "192.0.2.1"),
        ("", "", 0, "unix"),
        (None, "198.51.100.7", 1, "198.51.100.7"),
    ],
)
def test_an_address_is_what_the_outermost_proxy_of_ours_has_seen(
    peer: str | None, forwarded: str, proxies: int, address: str
) -> None:
    assert address_of(peer, forwarded, proxies) == address
