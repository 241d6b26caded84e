"""What every answer says to browsers, which pages and names are let in, and what callers cannot smuggle anywhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
import structlog
from flask import Response
from news import BODY

from api.app import create_app
from api.bodies import InTime, LateBodyError
from api.outgoing import SHIELD
from api.settings import ApiSettings
from contract.errors import SettingsError
from store.clients import Clients

if TYPE_CHECKING:
    from collections.abc import Callable

    import fakeredis
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

ELSEWHERE = "https://elsewhere.example"
FRIEND = "https://app.example.com:8443"
ADMIN = "the-admin-s-own-token"
CR_LF = "\r\nX-Smuggled: 1"


def asking(connection: redis.Redis, **settings: Any) -> FlaskClient:
    return create_app(ApiSettings(**settings), connection).test_client()


@pytest.fixture(scope="module")
def friendly(used: redis.Redis) -> FlaskClient:
    return asking(used, origins=frozenset({FRIEND}))


# Headers of answers.


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/jobs", 200),
        ("GET", "/jobs/nobody", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/jobs", 405),
        ("POST", "/jobs", 415),
        ("GET", "/events?after=0", 200),
        ("GET", "/events", 200),
        ("OPTIONS", "/jobs", 200),
    ],
)
def test_every_answer_keeps_browsers_from_taking_it_for_a_page(
    web: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = web.open(path, method=method)
    assert answer.status_code == status
    assert {name: answer.headers.getlist(name) for name in SHIELD} == {name: [it] for name, it in SHIELD.items()}
    answer.close()


def test_a_route_may_say_otherwise_and_is_not_contradicted(fake: fakeredis.FakeRedis) -> None:
    app = create_app(ApiSettings(), fake)
    own = {"content-security-policy": "default-src 'self'", "Cache-Control": "public"}
    app.add_url_rule("/page", view_func=lambda: Response("<p>", headers=own))
    answer = app.test_client().get("/page")
    assert answer.headers.getlist("Content-Security-Policy") == ["default-src 'self'"]
    assert answer.headers.getlist("Cache-Control") == ["public"]
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", ["/clients", "/clients/acme/token"])
def test_what_holds_a_secret_is_stored_nowhere(web: FlaskClient, path: str) -> None:
    made = web.post("/clients", json={"client_id": "acme"})
    answer = made if path == "/clients" else web.post(path)
    assert answer.get_json()["token"]
    assert answer.headers["Cache-Control"] == "no-store"


# Web pages, and the names of this machine.


@pytest.mark.parametrize("origin", [ELSEWHERE, "null", "http://localhost:1", "https://", "", "http://[", FRIEND + ".x"])
@pytest.mark.parametrize("path", ["/reset", "/jobs/j1/cancel", "/clients/acme/token", "/nothing"])
def test_a_page_from_elsewhere_does_nothing_at_a_service_without_tokens(
    friendly: FlaskClient, origin: str, path: str, nothing_changes: Callable[[], None]
) -> None:
    friendly.post("/jobs", json=BODY | {"job_id": "j1"})
    nothing_changes()
    answer = friendly.post(path, headers={"Origin": origin})
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_from_elsewhere_does_not_even_load_from_a_service_without_tokens(
    web: FlaskClient, site: str, nothing_changes: Callable[[], None]
) -> None:
    nothing_changes()
    for mode, dest in (("no-cors", "image"), ("no-cors", "script"), ("cors", "empty")):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        assert web.get("/status", headers=headers).status_code == 403
    led_here = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert web.get("/jobs", headers=led_here).status_code == 200


def test_the_service_s_own_page_and_what_is_no_page_may_use_it(web: FlaskClient) -> None:
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    for headers in (
        {},
        own,
        {"Origin": "http://localhost"},
        {"Host": "127.0.0.1:5000", "Origin": "http://127.0.0.1:5000"},
    ):
        assert web.get("/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 200) for host in ("localhost:5000", "127.0.0.1", "127.0.0.1:5000", "[::1]", "[::1]:5000", "api:5000")),
        *((host, 200) for host in ("dubq.internal", "api.default.svc.cluster.local:80", "DUBQ.LOCALHOST")),
        *((host, 200) for host in ("app.example.com", "app.example.com:5000")),
        *((host, 403) for host in ("rebound.example", "127.0.0.1.nip.io:5000", "localhost.example.com", "x.y.")),
    ],
)
def test_a_service_without_tokens_answers_to_no_name_that_anybody_may_lead_to_it(
    friendly: FlaskClient, host: str, status: int
) -> None:
    assert friendly.get("/jobs", headers={"Host": host}).status_code == status
    assert friendly.get("/healthz", headers={"Host": host}).status_code == 200


def test_with_tokens_it_is_the_token_that_counts(used: redis.Redis) -> None:
    web = asking(used, auth=True, admin_token=ADMIN)
    headers = {"Origin": ELSEWHERE, "Host": "dubq.example.com", "X-Api-Key": ADMIN}
    answer = web.get("/jobs", headers=headers)
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def preflight(web: FlaskClient, origin: str) -> TestResponse:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return web.options("/jobs", headers=headers | {"Access-Control-Request-Headers": "authorization"})


def test_no_browser_is_told_that_pages_may_read_answers_unless_the_operator_names_them(used: redis.Redis) -> None:
    for web in (asking(used, auth=True, admin_token=ADMIN), asking(used)):
        assert not [name for name, _ in preflight(web, ELSEWHERE).headers if name.startswith("Access-Control")]


def test_a_page_that_the_operator_names_may_ask_and_read(used: redis.Redis) -> None:
    web = asking(used, auth=True, admin_token=ADMIN, origins=frozenset({FRIEND}))
    told = preflight(web, FRIEND)
    assert (told.status_code, told.headers["Access-Control-Allow-Origin"]) == (204, FRIEND)
    assert "Authorization" in told.headers["Access-Control-Allow-Headers"]
    answer = web.get("/jobs", headers={"Origin": FRIEND, "X-Api-Key": ADMIN})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, FRIEND)
    assert "Access-Control-Allow-Credentials" not in answer.headers
    for other in (ELSEWHERE, "null", FRIEND.upper(), "https://app.example.com"):
        assert "Access-Control-Allow-Origin" not in preflight(web, other).headers
    assert web.get("/jobs", headers={"Origin": FRIEND}).status_code == 401
    assert "Origin" in web.get("/jobs", headers={"X-Api-Key": ADMIN}).headers["Vary"]


@pytest.mark.parametrize("text", ["*", "null", "app.example.com", "https://a/b", "https://", "ftp://a", "https://a,,"])
def test_origins_are_origins(text: str) -> None:
    with pytest.raises(SettingsError, match="DUBQ_ORIGINS"):
        ApiSettings.from_env({"DUBQ_ORIGINS": text})


# What callers send ends up in no header, no line of the log and no other method.


@pytest.mark.parametrize("auth", [True, False])
@pytest.mark.parametrize("name", ["token", "access_token", "API_KEY", "apikey", "X-Api-Key", "authorization"])
def test_a_token_in_the_url_is_refused_and_repeated_nowhere(used: redis.Redis, name: str, *, auth: bool) -> None:
    secret = "dubq_" + "s" * 43
    with structlog.testing.capture_logs() as lines:
        answer = asking(used, auth=auth, admin_token=ADMIN).get(
            "/jobs/j1", query_string={name: secret}, headers={"X-Api-Key": ADMIN}
        )
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (400, "token_in_url")
    assert secret not in f"{answer.text}{answer.headers}{lines}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/j1{}"),
        ("GET", "/status?job_id=j1{}"),
        ("GET", "/jobs?state={}"),
        ("GET", "/jobs?cursor={}"),
        ("GET", "/jobs?ids=j1{}"),
        ("GET", "/events?after=0{}"),
        ("GET", "/clients/acme{}"),
        ("POST", "/jobs/j1{}/cancel"),
        ("GET", "/nothing{}"),
    ],
)
def test_no_line_break_of_an_address_comes_back_in_a_header(web: FlaskClient, method: str, path: str) -> None:
    for wild in ("%0d%0aX-Smuggled:%201", "%0aX-Smuggled:1", "%0d", "%E5%98%8A%E5%98%8DX-Smuggled:1"):
        answer = web.open(path.format(wild), method=method)
        assert "X-Smuggled" not in answer.headers
        assert not [value for _, value in answer.headers if "\r" in value or "\n" in value]


@pytest.mark.parametrize("field", ["job_id", "video_url", "callback_url", "source_language", "engine", "title"])
def test_no_line_break_of_a_body_is_accepted_where_it_could_end_in_a_header_or_a_line(
    web: FlaskClient, field: str
) -> None:
    for end in (CR_LF, "\n", "\r", "\0", "\x1b[2J", "\x85"):
        answer = web.post("/jobs", json=BODY | {field: BODY.get(field, "a") + end})
        assert answer.status_code == 422, end
        assert "X-Smuggled" not in answer.headers


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_or_parameter_makes_one_method_another(web: FlaskClient, header: str) -> None:
    web.post("/clients", json={"client_id": "acme"})
    for path in ("/clients/acme", "/clients/acme?_method=DELETE", "/clients/acme?X-HTTP-Method-Override=DELETE"):
        assert web.get(path, headers={header: "DELETE"}).status_code == 200
        assert web.post(path, headers={header: "DELETE"}).status_code == 405
    assert web.get("/clients/acme").status_code == 200


@pytest.mark.parametrize(
    "path", ["..", ".", "..%2f..%2fetc%2fpasswd", "%2e%2e", "..%5c..", "....//", "a%2f..%2fb", "~"]
)
def test_no_path_leads_out_of_the_routes(web: FlaskClient, path: str) -> None:
    for address in (f"/jobs/{path}", f"/jobs/{path}/events", f"/clients/{path}", f"/{path}", f"/jobs/j/{path}/cancel"):
        answer = web.get(address)
        assert answer.status_code in {404, 405}, address
        assert answer.content_type == "application/problem+json"


# What answers cost tells nothing.


@pytest.fixture
def commands(fake: fakeredis.FakeRedis, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the name of each command that is sent to the fake Redis."""
    sent: list[str] = []
    kind = type(fake)
    execute = kind.execute_command

    def noted(self: Any, *words: Any, **options: Any) -> Any:
        sent.append(words[0])
        return execute(self, *words, **options)

    together = redis.client.Pipeline.execute

    def noted_together(pipe: Any, *arguments: Any, **options: Any) -> Any:
        sent.extend(words[0] for words, _ in pipe.command_stack)
        return together(pipe, *arguments, **options)

    monkeypatch.setattr(kind, "execute_command", noted)
    monkeypatch.setattr(redis.client.Pipeline, "execute", noted_together)
    return sent


def test_a_token_that_is_one_and_one_that_is_none_cost_the_same_commands(
    fake: fakeredis.FakeRedis, commands: list[str]
) -> None:
    web = asking(fake, auth=True, admin_token=ADMIN)
    token = Clients(fake).create("acme").token

    def cost(shown: str) -> list[str]:
        del commands[:]
        web.get("/nothing", headers={"X-Api-Key": shown})
        return commands[:1]  # who is let in goes on, and its request is counted

    cost("first")  # who teaches Redis the script
    neighbour = token[:-1] + ("A" if token[-1] != "A" else "E")
    assert cost(token) == cost(neighbour) == cost("x") == cost(token[:20] + "é") == ["EVALSHA"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs/{}"), ("GET", "/jobs?ids={}"), ("GET", "/status?job_id={}"), ("POST", "/jobs/{}/cancel"),
     ("POST", "/jobs/{}/reset"), ("GET", "/jobs/{}/events"), ("GET", "/jobs/{}/deliveries")],
)  # fmt: skip
def test_another_s_job_costs_the_same_commands_as_one_that_is_not_there(
    fake: fakeredis.FakeRedis, commands: list[str], method: str, path: str
) -> None:
    web = asking(fake)
    assert web.post("/jobs", json=BODY | {"job_id": "theirs"}, headers={"X-Client-Id": "acme"}).status_code == 202

    def cost(job_id: str) -> list[str]:
        del commands[:]
        answer = web.open(path.format(job_id), method=method, headers={"X-Client-Id": "other"})
        answer.close()
        return [str(answer.status_code), *commands]

    assert cost("theirs") == cost("nowhere")
    assert len(cost("theirs")) > 1


# A body that trickles in.


def test_a_body_that_trickles_in_is_given_up_when_its_time_is_over() -> None:
    import gevent  # noqa: PLC0415 - slow to import, and nothing else here has use for it

    given: list[int] = []

    class Trickle:
        def read(self, size: int) -> bytes:
            gevent.sleep(0.01)
            given.append(size)
            return b"a"

    body, began_s = InTime(Trickle(), gevent.Timeout, 0.1), time.monotonic()
    with pytest.raises(LateBodyError, match=r"within 0\.1 s"):
        list(iter(lambda: body.read(1), b""))
    assert len(given) > 1
    assert 0.05 < time.monotonic() - began_s < 5


def test_a_late_body_is_a_408_that_may_be_sent_again(web: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> bytes:
        raise LateBodyError("the body has not come within 30 s")

    monkeypatch.setattr("flask.Request.get_data", late)
    answer = web.post("/jobs", data=b"{}", content_type="application/json")
    assert (answer.status_code, answer.get_json(force=True)["code"]) == (408, "body_too_slow")
    assert answer.get_json(force=True)["retryable"]
