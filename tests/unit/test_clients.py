"""Tenants in the store: made, found by their tokens, rotated, deleted; on fakeredis and on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from given import made
from keyspace import keyspace

from contract.errors import ClientExistsError, ClientNotFoundError
from contract.limits import Limit
from store import feed, keys
from store.clients import Clients
from store.clocks import ClockStore
from store.credentials import sha256
from store.door import Caller, Door
from store.secrets import WebhookSecrets

if TYPE_CHECKING:
    import redis
    from given import Clock

    from store.jobs import JobStore
    from store.sweep import Sweep


@pytest.fixture
def clients(connection: redis.Redis, clock: Clock) -> Clients:
    return Clients(connection, clock)


def owner_of(connection: redis.Redis, token: str) -> str | None:
    found = Door(connection).let_in(token, "")
    return found and found.client_id


def test_a_token_leads_to_its_client_and_nothing_else_does(clients: Clients, connection: redis.Redis) -> None:
    acme, other = clients.create("acme"), clients.create("other")
    assert [owner_of(connection, each.token) for each in (acme, other)] == ["acme", "other"]
    for wrong in ("", acme.token[:-1], acme.token + "x", sha256(acme.token), acme.webhook_secret, "acme"):
        assert owner_of(connection, wrong) is None


def test_redis_holds_no_token(clients: Clients, connection: redis.Redis) -> None:
    tokens = [clients.create("acme").token, clients.rotate("acme", 60).token, clients.make_admin() or ""]
    held = repr(keyspace(connection))
    assert not [each for each in tokens if each in held or not each]


def test_a_client_is_made_once(clients: Clients, connection: redis.Redis) -> None:
    first = clients.create("acme")
    before = keyspace(connection)
    with pytest.raises(ClientExistsError):
        clients.create("acme")
    assert keyspace(connection) == before
    assert owner_of(connection, first.token) == "acme"


def test_clients_are_listed_as_they_were_made(clients: Clients, clock: Clock) -> None:
    assert clients.list() == []
    for client_id in ("b", "c", "a"):
        clients.create(client_id)
        clock.pass_s(1)
    assert [each.client_id for each in clients.list()] == ["b", "c", "a"]


def test_both_tokens_count_until_the_overlap_is_over(clients: Clients, clock: Clock, connection: redis.Redis) -> None:
    secrets = WebhookSecrets(connection, clock)
    old = clients.create("acme")
    new = clients.rotate("acme", 60)
    assert {owner_of(connection, each.token) for each in (old, new)} == {"acme"}
    assert secrets.live("acme") == (new.webhook_secret, old.webhook_secret)
    assert 50_000 < connection.pttl(keys.token(sha256(old.token))) <= 60_000  # Redis ends it, whoever else is alive
    assert connection.pttl(keys.token(sha256(new.token))) == -1
    clock.pass_s(59)
    assert clients.retire() == []
    clock.pass_s(1)
    assert secrets.live("acme") == (new.webhook_secret,)
    assert clients.retire() == ["acme"]
    assert clients.retire() == []
    assert (owner_of(connection, old.token), owner_of(connection, new.token)) == (None, "acme")


def test_a_token_that_is_lost_ends_at_once(clients: Clients, clock: Clock, connection: redis.Redis) -> None:
    secrets = WebhookSecrets(connection, clock)
    old, new = clients.create("acme"), clients.rotate("acme", 0)
    assert (owner_of(connection, old.token), owner_of(connection, new.token)) == (None, "acme")
    assert secrets.live("acme") == (new.webhook_secret,)
    assert clients.retire() == []


def test_of_a_deleted_client_nothing_counts_any_more(clients: Clients, connection: redis.Redis) -> None:
    tokens = [clients.create("acme").token, clients.rotate("acme", 60).token]
    clients.delete("acme")
    assert [owner_of(connection, each) for each in tokens] == [None, None]
    assert (clients.list(), clients.retire()) == ([], [])
    assert keyspace(connection) == {b"dubq:clients:deleted": {b"acme"}}


def test_who_is_not_there_cannot_be_changed(clients: Clients, connection: redis.Redis) -> None:
    for change in (clients.read, clients.delete, lambda name: clients.rotate(name, 1), clients.make_redis_user):
        with pytest.raises(ClientNotFoundError):
            change("nobody")
    assert keyspace(connection) == {}


def test_nobody_inherits_the_jobs_of_a_deleted_client(
    clients: Clients, jobs: JobStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    clients.create("acme")
    made(jobs, client_id="acme")
    clients.delete("acme")
    with pytest.raises(ClientExistsError, match="still jobs"):
        clients.create("acme")
    jobs.cancel("j1", "acme")
    clock.pass_s(86_401)
    assert [each.kind for each in sweep.turn() or ()] == ["expired"]
    clients.create("acme")
    assert feed.read(connection, "acme") == []
    assert made(jobs, client_id="acme").job_id == "j1"
    assert jobs.record("j1", "acme").number == 1


def test_what_is_left_of_a_deleted_client_goes_with_its_last_job(
    clients: Clients, jobs: JobStore, sweep: Sweep, clock: Clock, connection: redis.Redis
) -> None:
    clients.create("acme", {Limit.RUNNING: "5"})
    made(jobs, client_id="acme")
    clients.delete("acme")
    jobs.cancel("j1", "acme")
    clients.forget_deleted()
    assert connection.exists(keys.DELETED, keys.feed("acme")) == 2
    clock.pass_s(86_401)
    sweep.turn()
    clients.forget_deleted()
    assert [key for key in keyspace(connection) if b"acme" in key or b"client" in key] == []


def test_the_jobs_of_a_deleted_client_do_not_stand_still_by_its_clock(
    clients: Clients, clock: Clock, connection: redis.Redis
) -> None:
    clients.create("acme")
    clocks = ClockStore(connection, lambda: clock().timestamp())
    clocks.move("acme", lambda was, real_s: was.run(real_s, 0))
    with connection.pubsub(ignore_subscribe_messages=True) as line:
        line.subscribe(keys.CLOCKS)
        clients.delete("acme")
        told = [each["data"] for _ in range(5) if (each := line.get_message(timeout=0.01))]
    assert told == [b"acme"]
    assert not clocks.read("acme").is_touched


def test_a_service_that_asked_nobody_for_tokens_hands_its_jobs_to_the_client_default(
    clients: Clients, jobs: JobStore
) -> None:
    made(jobs)
    clients.create("default")
    assert jobs.read("j1", "default").job_id == "j1"


def test_a_token_that_ends_has_all_that_is_open_let_go_of(
    clients: Clients, clock: Clock, connection: redis.Redis
) -> None:
    with connection.pubsub(ignore_subscribe_messages=True) as line:
        line.psubscribe(keys.EVERY_CHANNEL)
        clients.create("acme")
        clients.create("other")
        clients.rotate("acme", 60)
        clock.pass_s(60)
        clients.retire()
        clients.delete("other")
        told = [each["channel"] for _ in range(20) if (each := line.get_message(timeout=0.01))]
    assert told == [b"dubq:events:acme", b"dubq:events:acme", b"dubq:events:other"]


def test_what_a_killed_process_has_not_let_go_of_the_next_one_does(
    clients: Clients, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    old = clients.create("acme")
    clients.create("other")
    with monkeypatch.context() as killed:
        killed.setattr(clients, "_settle", die)
        for end in (lambda: clients.rotate("acme", 0), lambda: clients.delete("other")):
            with pytest.raises(KeyboardInterrupt):
                end()
    assert owner_of(connection, old.token) is None
    assert sorted(clients.retire()) == ["acme", "other"]
    assert clients.retire() == []
    assert connection.zcard(keys.RETIRING) == 0


def test_the_service_makes_one_admin_s_token(clients: Clients, connection: redis.Redis) -> None:
    token = clients.make_admin()
    assert token
    assert clients.make_admin() is None
    assert Door(connection).let_in(token, "") == Caller("default", is_admin=True)
    assert Door(connection).let_in(token, "", is_given=False) is None
    assert [owner_of(connection, each) for each in ("", token[:-1])] == [None, None]
    assert Door(connection).let_in(clients.create("acme").token, "") == Caller("acme")
