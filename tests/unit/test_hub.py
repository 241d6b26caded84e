"""One subscription, and everyone who waits for something on it; on fakeredis and on a real Valkey."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import redis
from given import a_job
from listening import listening

from store import keys
from store.feed import News
from store.hub import BOUND, TOGETHER, Hub, Signal, listen
from store.standing import Stands

if TYPE_CHECKING:
    from store.jobs import JobStore
    from store.runs import RunStore

CHANNEL = keys.channel("default", "j1").encode()


def payload(seq: int, job_id: str = "j1") -> bytes:
    return b'{"job_id":"%s","seq":%d,"done":false,"feed_id":"%d-0"}' % (job_id.encode(), seq, seq)


def test_each_change_comes_to_who_waits_for_its_job_or_for_its_client_with_its_place(
    connection: redis.Redis, jobs: JobStore, runs: RunStore
) -> None:
    hub = Hub()
    with listening(connection, hub), hub.join("default", "j1") as one, hub.join("default") as every:
        jobs.create(a_job("j1"), fingerprint="f")
        jobs.create(a_job("j2"), fingerprint="f")
        assert runs.start("j1")
        heard = [one.next(5), one.next(5)]
        assert [(each.job_id, each.seq) for each in heard if isinstance(each, News)] == [("j1", 1), ("j1", 2)]
        told = [every.next(5) for _ in range(3)]
        assert [each.job_id for each in told if isinstance(each, News)] == ["j1", "j2", "j1"]
        assert one.next(0) is Signal.SILENCE
        record = jobs.record("j1", "default")
        assert isinstance(heard[1], News)
        assert (heard[1].feed_id, heard[1].job) == (record.feed_id, record.job)


def test_who_has_left_is_told_nothing_and_nothing_is_kept_of_it() -> None:
    hub = Hub()
    with hub.join("default", "j1") as waiter, hub.join("somebody", "j1") as other:
        assert hub.waiting == 2
        waiter.leave()
        hub.tell(CHANNEL, payload(1))
        assert waiter.next(0) is other.next(0) is Signal.SILENCE
    assert hub.waiting == 0


def test_a_slow_reader_is_told_to_look_instead_and_nobody_else_notices() -> None:
    hub = Hub()
    with hub.join("default", "j1") as slow, hub.join("default", "j1") as quick:
        for seq in range(1, BOUND + 2):
            hub.tell(CHANNEL, payload(seq))
            word = quick.next(0)
            assert isinstance(word, News)
            assert word.seq == seq
        assert slow.next(0) is Signal.LOOK
        hub.tell(CHANNEL, payload(BOUND + 2))
        word = slow.next(0)
        assert isinstance(word, News)
        assert word.seq == BOUND + 2


def test_what_is_no_change_makes_readers_look_for_themselves() -> None:
    hub = Hub()
    with hub.join("default", "j1") as waiter:
        for sent in (b"", b"{}", b'{"job_id":"j1"}', b'[],"feed_id":"1-0"}', b'\xff,"feed_id":"\xff"}'):
            hub.tell(CHANNEL, sent)
            assert waiter.next(0) is Signal.LOOK, sent


def test_a_closed_hub_says_so_to_all_and_to_whoever_comes_later() -> None:
    hub = Hub()
    with hub.join("default", "j1") as before:
        hub.close()
        with hub.join("default") as after:
            hub.tell_standing("default", "j1", Stands(seq=7))
            for seq in range(BOUND + 5):
                hub.tell(CHANNEL, payload(seq))
            assert before.next(0) is after.next(0) is Signal.END


# on a real Valkey alone: fakeredis has no lines
@pytest.mark.parametrize("used", [pytest.param("valkey", marks=pytest.mark.sockets)], indirect=True, scope="session")
def test_a_line_that_is_cut_comes_back_and_everyone_looks(connection: redis.Redis, jobs: JobStore) -> None:
    hub = Hub()
    with listening(connection, hub), hub.join("default", "j1") as waiter:
        connection.execute_command("CLIENT", "KILL", "TYPE", "PUBSUB")
        assert isinstance(waiter.next(10), Stands)
        jobs.create(a_job("j1"), fingerprint="f")
        assert isinstance(waiter.next(5), News)


def test_a_line_that_dies_without_a_word_is_given_up(connection: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = iter(range(0, 1000, 4))  # each look at the clock finds four seconds gone
    monkeypatch.setattr(redis.client.PubSub, "get_message", lambda *_, **__: None)
    with pytest.raises(redis.ConnectionError, match="silent"):
        listen(connection, Hub(), lambda: False, clock=lambda: float(next(now_s)))


def test_a_whole_process_has_one_subscription_whatever_it_waits_for(connection: redis.Redis) -> None:
    hub = Hub()
    with listening(connection, hub):
        waiters = [hub.join("default", f"j{n}") for n in range(50)]
        assert connection.pubsub_numpat() == 1
        assert connection.pubsub_channels() == []
        for each in waiters:
            each.leave()


def test_after_a_lost_line_everyone_is_told_where_things_stand_in_a_few_round_trips(
    connection: redis.Redis, jobs: JobStore, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.create(a_job("j0"), fingerprint="f")
    jobs.create(a_job("j1"), fingerprint="f")
    run = runs.start("j1")
    assert run
    jobs.cancel("j1", "default")  # asked for: the version has a mark, and no change is told
    connection.set(keys.record(keys.ref("default", "j2")), "no hash")
    newest, hub, trips = jobs.record("j1", "default").feed_id, Hub(), 0
    execute = redis.client.Pipeline.execute

    def counted(pipe: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal trips
        trips += len(pipe) > 0
        return execute(pipe, *arguments, **options)

    with ExitStack() as stack:
        waiters = [stack.enter_context(hub.join("default", f"j{n}")) for n in range(TOGETHER) for _ in range(2)]
        every, nobody = stack.enter_context(hub.join("default")), stack.enter_context(hub.join("nobody"))
        monkeypatch.setattr(redis.client.Pipeline, "execute", counted)
        with listening(connection, hub):
            told = [each.next(5) for each in waiters]
            assert told[:6] == [Stands(seq=1)] * 2 + [Stands(seq=2)] * 2 + [Signal.LOOK] * 2
            assert set(told[6:]) == {Stands()}
            assert every.next(5) == Stands(feed_id=newest)
            assert nobody.next(5) == Stands()
    assert trips == 2
