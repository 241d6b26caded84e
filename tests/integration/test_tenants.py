"""Two clients of one service, each trying every call and every channel on the other's jobs; on gunicorn and Valkey.

The calls are those that the application has, whatever they are: a new route is tried without being named here.
"""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import fakeredis
import pytest
import redis
import requests
from scripted import run
from service import Service, eventually

from api.app import create_app
from api.caller import OPEN, OPEN_UNDER
from api.settings import ApiSettings
from client import TranslationClient
from contract.errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.sockets

ADMIN = "the-admin-s-own-token"
NAMES = ("acme", "other")
PASSERBY = "passerby"
"""A third client, whose own world nobody looks at."""
SHARED = "talk-es"
"""All clients have a job of this name."""
REFUSED = "(?i)no permissions"
ADMINS = ("/clients", "/simulator/outage", "/admin", "/page/events")


class Tenant(NamedTuple):
    client_id: str
    token: str
    secret: str
    own: str
    """The name of a job that only this client has."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Call(NamedTuple):
    method: str
    rule: str

    def path(self, job_id: str, client_id: str) -> str:
        return self.rule.replace("<job_id>", job_id).replace("<name>", client_id)


def all_calls() -> list[Call]:
    app = create_app(ApiSettings(auth=True, sim_outages=True), fakeredis.FakeRedis(version=(7,)))
    return [Call(method, rule.rule) for rule in app.url_map.iter_rules() for method in sorted(rule.methods or ())]


SHUT = [call for call in all_calls() if call.rule not in OPEN and not call.rule.startswith(OPEN_UNDER)]
CALLS = [call for call in SHUT if call.method != "OPTIONS"]
NAMING = [call for call in CALLS if "<job_id>" in call.rule]
OTHERS = [call for call in CALLS if "<job_id>" not in call.rule and call.rule != "/events"]


def body_of(call: Call, job_id: str) -> Any:
    """Return what to send with a call so that it does all that it can."""
    submission = {"video_url": "https://example.com/v.mp4", "job_id": job_id}
    known = {
        "/jobs": submission,
        "/jobs/batch": {"jobs": [submission]},
        "/start-timer": {"duration": 1},
        "/clients": {"client_id": "intruder"},
        "/simulator/clock": {"advance_s": 60},
        "/simulator/outage": {"kind": "unavailable", "for_s": 60},
    }
    return known.get(call.rule, {}) if call.method == "POST" else None


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    env = {
        "DUBQ_AUTH": "on",
        "DUBQ_ADMIN_TOKEN": ADMIN,
        "DUBQ_SIM_DURATION": "fixed:1",
        "DUBQ_SIM_SPEED": "100",
        "DUBQ_SIM_OUTAGES": "on",
        "DUBQ_WRONG_TOKENS": "none",  # there are more calls to be tried with wrong ones than guesses in a minute
    }
    with Service(env) as service:
        service.start_valkey()
        service.start_api()
        yield service


@pytest.fixture(scope="module")
def tenants(service: Service) -> dict[str, Tenant]:
    """Return clients, each with a job of its own, one whose name the others have as well, and a single job."""
    found = {}
    for name in (*NAMES, PASSERBY):
        made = requests.post(
            f"{service.url}/clients", json={"client_id": name}, headers={"X-Api-Key": ADMIN}, timeout=10
        ).json()
        found[name] = Tenant(name, made["token"], made["webhook_secret"], f"only-{name}")
        for job_id in (SHARED, found[name].own):
            body = {"video_url": f"https://{name}.example/v.mp4", "job_id": job_id, "title": f"secret-of-{name}"}
            assert requests.post(f"{service.url}/jobs", json=body, headers=found[name].headers, timeout=10).ok
        assert requests.get(f"{service.url}/status", headers=found[name].headers, timeout=10).ok
    return found


@pytest.fixture(params=NAMES)
def pair(request: pytest.FixtureRequest, tenants: dict[str, Tenant]) -> tuple[Tenant, Tenant]:
    """Return who tries, and on whom."""
    (victim,) = (name for name in NAMES if name != request.param)
    return tenants[request.param], tenants[victim]


def world(service: Service, tenant: Tenant) -> dict[str, Any]:
    """Return all that a client can see of its own, but for what the time changes."""
    paths = ("/jobs", "/events?after=0", "/status", "/simulator/clock")
    seen = {each: requests.get(service.url + each, headers=tenant.headers, timeout=10).json() for each in paths}
    return json.loads(
        json.dumps(seen), object_hook=lambda o: {k: v for k, v in o.items() if k not in {"eta", "position", "now"}}
    )


def ask(service: Service, call: Call, path: str, body: Any, headers: dict[str, str]) -> requests.Response:
    return requests.request(call.method, service.url + path, json=body, headers=headers, timeout=10)


def words(answer: requests.Response, *names: str) -> str:
    """Return an answer as far as two of one meaning agree: without the names that were asked for and the request's."""
    told = f"{answer.status_code} {answer.headers.get('Content-Type')} {answer.headers.get('ETag')} {answer.text}"
    for name in (*names, answer.headers["X-Request-Id"]):
        told = told.replace(name, "…")
    return told


@pytest.mark.parametrize("call", NAMING, ids=" ".join)
def test_another_s_job_is_answered_like_one_that_is_not_there(
    service: Service, pair: tuple[Tenant, Tenant], call: Call
) -> None:
    intruder, victim = pair
    before = world(service, victim)
    for more in ({}, {"Prefer": "wait=1"}, {"If-None-Match": '"1"'}, {"Last-Event-ID": "0"}):
        headers = intruder.headers | more
        tried, unknown = (
            ask(service, call, call.path(job_id, "x"), body_of(call, job_id), headers)
            for job_id in (victim.own, "never-made")
        )
        assert tried.status_code == 404
        assert words(tried, victim.own) == words(unknown, "never-made")
        assert "secret-of" not in tried.text
    assert world(service, victim) == before


@pytest.mark.parametrize("call", OTHERS, ids=" ".join)
def test_no_other_call_tells_of_another_s_jobs_or_changes_them(
    service: Service, tenants: dict[str, Tenant], call: Call
) -> None:
    intruder, victim = tenants[PASSERBY], tenants["acme"]
    before = world(service, victim)
    queries = ("", f"?ids={victim.own}", f"?job_id={victim.own}", "?state=queued", f"?client_id={victim.client_id}")
    for query in queries if call.method == "GET" else ("",):
        for more in ({}, {"Idempotency-Key": "key"}):
            path = call.path(victim.own, victim.client_id) + query
            answer = ask(service, call, path, body_of(call, victim.own), intruder.headers | more)
            assert answer.status_code < 500
            shown = answer.text.replace(victim.own, "…")  # which it has sent itself
            for secret in (f"secret-of-{victim.client_id}", f"{victim.client_id}.example", victim.token, victim.secret):
                assert secret not in shown
            assert not call.rule.startswith(ADMINS) or answer.status_code == 403
    assert world(service, victim) == before


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_no_call_is_made_in_another_s_name_or_in_nobody_s(
    service: Service, pair: tuple[Tenant, Tenant], call: Call
) -> None:
    intruder, victim = pair
    before = world(service, victim)
    path, body = call.path(victim.own, victim.client_id), body_of(call, victim.own)
    posing = ask(service, call, path, body, intruder.headers | {"X-Client-Id": victim.client_id})
    unknown = ask(service, call, path, body, intruder.headers | {"X-Client-Id": "never-made"})
    assert posing.status_code == 403
    assert words(posing) == words(unknown)
    for headers in ({}, {"Authorization": f"Bearer {victim.token[:-1]}"}, {"X-Api-Key": victim.client_id}):
        assert ask(service, call, path, body, headers).status_code == 401
    assert world(service, victim) == before


def test_each_client_has_its_own_job_of_a_name_that_both_have_chosen(
    service: Service, tenants: dict[str, Tenant]
) -> None:
    for tenant in map(tenants.__getitem__, NAMES):
        job = requests.get(f"{service.url}/jobs/{SHARED}", headers=tenant.headers, timeout=10).json()
        assert (job["client_id"], job["title"]) == (tenant.client_id, f"secret-of-{tenant.client_id}")


def events_of(lines: Iterator[bytes], last: str) -> list[dict[str, Any]]:
    """Return what a stream tells up to the news of one job."""
    told: list[dict[str, Any]] = []
    for line in lines:
        if line.startswith(b"data: "):
            told.append(json.loads(line[6:]))
            if told[-1]["job_id"] == last:
                return told
    return told


def test_a_stream_of_all_tells_of_one_s_own(service: Service, pair: tuple[Tenant, Tenant]) -> None:
    listening, speaking = pair
    with requests.get(f"{service.url}/events", headers=listening.headers, stream=True, timeout=10) as answer:
        lines = answer.iter_lines(chunk_size=1)
        assert next(lines).startswith(b": ping")
        for tenant in (speaking, listening):  # in this order: what is told of the second was told of the first before
            body = {"video_url": "https://example.com/v.mp4", "job_id": f"told-to-{listening.client_id}"}
            assert requests.post(f"{service.url}/jobs", json=body, headers=tenant.headers, timeout=10).ok
        told = events_of(lines, f"told-to-{listening.client_id}")
    assert [each["client_id"] for each in told] == [listening.client_id]


# Redis itself.


def log_in(service: Service, tenant: Tenant, as_whom: Tenant | None = None) -> redis.Redis:
    """Return a connection by the URL that a client is told, with a token."""
    road = requests.get(f"{service.url}/connect", headers=(as_whom or tenant).headers, timeout=10).json()["redis"]
    return redis.Redis.from_url(road["url"], password=tenant.token)


def test_no_token_opens_another_s_redis_user(service: Service, pair: tuple[Tenant, Tenant]) -> None:
    intruder, victim = pair
    with log_in(service, intruder, as_whom=victim) as posing, pytest.raises(redis.AuthenticationError):
        posing.ping()
    with log_in(service, intruder) as own:
        assert own.ping()


def test_a_client_s_redis_user_reads_and_writes_no_key(service: Service, pair: tuple[Tenant, Tenant]) -> None:
    intruder, _ = pair
    keys = [key.decode() for key in service.connection().scan_iter()]
    assert any("secret" not in key and "only-" in key for key in keys)
    ways = (
        *(("TYPE",), ("EXISTS",), ("GET",), ("HGETALL",), ("DUMP",), ("DEL",), ("OBJECT", "ENCODING")),
        *(("SET", "x"), ("SMEMBERS",), ("TTL",), ("XLEN",), ("LLEN",)),
    )
    with log_in(service, intruder) as own:
        for key, (command, *more) in product([*keys, "dubq:job:never-made"], ways):
            with pytest.raises(redis.ResponseError, match=REFUSED):
                own.execute_command(
                    command, *(more if command == "OBJECT" else ()), key, *(more if command == "SET" else ())
                )
        for command in (
            ("SCAN", "0"),
            ("KEYS", "*"),
            ("PUBSUB", "CHANNELS"),
            ("CLIENT", "LIST"),
            ("MONITOR",),
            ("INFO",),
        ):
            with pytest.raises(redis.ResponseError, match=REFUSED):
                own.execute_command(*command)


def test_no_channel_of_another_s_is_open_by_name_or_pattern(service: Service, pair: tuple[Tenant, Tenant]) -> None:
    intruder, victim = pair
    theirs = f"dubq:events:{victim.client_id}:"
    channels = (theirs + victim.own, theirs + SHARED, theirs + "never-made", theirs + "*", "dubq:events:*", "*")
    with log_in(service, intruder) as own:
        for channel, command in product((*channels, f"dubq:events:{intruder.client_id}*"), ("SUBSCRIBE", "PSUBSCRIBE")):
            with pytest.raises(redis.ResponseError, match=REFUSED):
                own.execute_command(command, channel)
        for channel in channels:
            with pytest.raises(redis.ResponseError, match=REFUSED):
                own.publish(channel, "{}")


# What is one's own works, by every road and through what breaks.


def start_worker(service: Service) -> None:
    """Start a worker that forks for no job: those that the tests above have left are soon done."""
    service.start_worker("-S", "json", "-w", "rq.worker.SimpleWorker")


@pytest.mark.parametrize("road", ["redis", "sse", "long_poll"])
def test_a_client_with_a_token_is_told_by_every_road(service: Service, tenants: dict[str, Tenant], road: str) -> None:
    if not service.workers:
        start_worker(service)
    with TranslationClient(service.url, token=tenants["acme"].token, roads=[road]) as client:
        job = client.submit("https://example.com/v.mp4", target_language="es", simulate={"duration_s": 50})
        assert client.wait(job.job_id, timeout=60).client_id == "acme"
        assert (client.metrics.messages > 0) is (road != "long_poll")


def test_a_redis_that_was_killed_lets_its_users_in_again(service: Service, tenants: dict[str, Tenant]) -> None:
    with TranslationClient(service.url, token=tenants["acme"].token, roads=["redis"]) as client:
        service.valkey.terminate()
        service.start_valkey()
        eventually(lambda: "dubq-acme" in service.connection().acl_users(), 20)
        start_worker(service)  # RQ's own may have quit meanwhile, or may do so any moment
        job = client.submit("https://example.com/v.mp4", simulate={"duration_s": 50})
        client.subscribe(job.job_id, timeout=60)
        assert client.metrics.messages > 0


def test_the_shell_makes_rotates_shows_and_deletes_clients(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBQ_URL", service.url)
    assert run(None, "clients", "list").exit_code == 3
    monkeypatch.setenv("DUBQ_ADMIN_TOKEN", ADMIN)
    made = json.loads(run(None, "clients", "create", "shelly", "--json").stdout)
    assert run(None, "jobs", "--token", made["token"]).stdout == "no jobs\n"
    assert run(None, "jobs", "--token", made["token"], "--client", "acme").exit_code == 3
    assert "only-acme" in run(None, "jobs", "--token", ADMIN, "--client", "acme", "--limit", "1000").stdout
    again = json.loads(run(None, "clients", "rotate", "shelly", "--json").stdout)
    assert again["token"] not in (shown := run(None, "clients", "show", "shelly").stdout)
    assert "one, one until 2" in shown
    assert run(None, "jobs", "--token", made["token"]).exit_code == 0
    assert run(None, "clients", "rotate", "shelly", "--at-once").exit_code == 0
    assert run(None, "jobs", "--token", again["token"]).exit_code == 3
    assert "shelly" in run(None, "clients", "list").stdout
    limited = run(
        None, "clients", "limit", "shelly", "--requests", "600/m", "--queued", "none", "--running", "2"
    ).stdout
    shown = run(None, "clients", "show", "shelly").stdout
    for line in ("requests  600/60s, its own", "queued    none, its own", "running   2, its own", "streams   1000"):
        assert line in limited
        assert line in shown
    dropped = json.loads(run(None, "clients", "limit", "shelly", "--requests", "default", "--json").stdout)
    assert dropped["limits"] == {"requests": None, "queued": "none", "running": 2, "streams": None}
    for options in ((), ("--requests", "fast"), ("--running", "0")):
        assert run(None, "clients", "limit", "shelly", *options).exit_code == 2
    assert run(None, "clients", "delete", "shelly").exit_code == 0
    for command in ("show", "delete", "rotate"):
        assert run(None, "clients", command, "shelly").exit_code == 2
    assert run(None, "clients", "create", "No Name").exit_code == 2
    assert run(None, "clients", "list", "--url", "http://127.0.0.1:9").exit_code == 5


def test_a_wait_ends_at_once_when_its_token_has(service: Service) -> None:
    def admin(method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, service.url + path, json=body, headers={"X-Api-Key": ADMIN}, timeout=10)

    token = admin("POST", "/clients", {"client_id": "shortlived"}).json()["token"]
    with TranslationClient(service.url, token=token, roads=["sse"]) as client:
        job = client.submit("https://example.com/v.mp4", simulate={"outcome": "stall"})
        told = client.events(job.job_id)
        next(told)
        admin("DELETE", "/clients/shortlived")
        with pytest.raises(AuthenticationError):
            for _ in told:
                pass
