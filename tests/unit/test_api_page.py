"""The page's routes: who is let in and by what, what they answer, and what no page from elsewhere can have done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from news import BODY, opened

from api.app import DOORKEEPER, create_app
from api.settings import ApiSettings
from store.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis
    from flask import Flask
    from flask.testing import FlaskClient
    from given import Clock
    from werkzeug.test import TestResponse

ADMIN = "the-admin-s-own-token"
HTML = {"Accept": "text/html,*/*"}
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def shut(used: redis.Redis, moved: Clock) -> Flask:
    settings = ApiSettings(auth=True, admin_token=ADMIN)
    return create_app(settings, used, clock=moved, hub=Hub(), ping_s=lambda _: 0.05)


@pytest.fixture
def guest(shut: Flask, connection: redis.Redis, clock: Clock) -> FlaskClient:  # noqa: ARG001 - emptied, and set back
    shut.extensions[DOORKEEPER].forget()
    return shut.test_client()


def bearer(token: str = ADMIN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token_of(web: FlaskClient, client_id: str) -> str:
    made: dict[str, str] = web.post("/clients", json={"client_id": client_id}, headers=bearer()).get_json()
    return made["token"]


def sign_in(web: FlaskClient, token: str, **form: str) -> TestResponse:
    return web.post("/page/login", data={"token": token, **form}, headers=HERE)


@pytest.fixture
def acme(guest: FlaskClient, shut: Flask) -> FlaskClient:
    """Return somebody who is signed in as the client acme."""
    browser = shut.test_client()
    assert sign_in(browser, token_of(guest, "acme")).status_code == 303
    return browser


def test_a_browser_without_a_session_is_asked_for_a_token_and_a_program_is_told_so(guest: FlaskClient) -> None:
    answer = guest.get("/page/jobs/j1?client=acme", headers=HTML)
    assert (answer.status_code, answer.mimetype) == (401, "text/html")
    assert 'name="there" value="/page/jobs/j1?client=acme"' in answer.text
    assert guest.get("/page/jobs").get_json(force=True)["code"] == "unauthenticated"


def test_a_session_is_a_cookie_that_scripts_and_other_sites_cannot_use(guest: FlaskClient) -> None:
    token = token_of(guest, "acme")
    answer = sign_in(guest, token, there="/page/jobs/j1")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/page/jobs/j1")
    cookie = answer.headers["Set-Cookie"]
    assert re.fullmatch(
        r"dubq_session=[\w-]{43}; Expires=[^;]*; Max-Age=43200; HttpOnly; Path=/; SameSite=Strict", cookie
    )
    by_https = guest.post("/page/login", data={"token": token}, headers={**HERE, "Origin": "https://dubq.example"})
    assert "; Secure" in by_https.headers["Set-Cookie"]


def test_a_session_opens_what_its_token_does_and_a_token_goes_before_it(acme: FlaskClient, guest: FlaskClient) -> None:
    assert acme.get("/connect").get_json()["client_id"] == "acme"
    assert acme.get("/clients").status_code == 403
    assert acme.get("/connect", headers=bearer(token_of(guest, "other"))).get_json()["client_id"] == "other"
    assert acme.get("/connect", headers=bearer("none")).status_code == 401


@pytest.mark.parametrize("end", ["sign out", "delete", "rotate"])
def test_a_session_ends_when_its_owner_says_so_and_with_its_token(
    acme: FlaskClient, guest: FlaskClient, shut: Flask, end: str
) -> None:
    if end == "sign out":
        session = acme.get_cookie("dubq_session")
        assert session
        assert acme.post("/page/logout", headers=HERE).status_code == 303
        acme.set_cookie("dubq_session", session.value)
    elif end == "delete":
        guest.delete("/clients/acme", headers=bearer())
    else:
        guest.post("/clients/acme/token", json={"overlap_s": 0}, headers=bearer())
    shut.extensions[DOORKEEPER].forget()  # as every process does that hears of it
    assert acme.get("/jobs").status_code == 401


def test_a_wrong_token_is_refused_in_the_words_of_the_api(
    guest: FlaskClient, nothing_changes: Callable[[], None]
) -> None:
    nothing_changes()
    answer = sign_in(guest, "wrong")
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)
    words = guest.get("/jobs", headers=bearer("wrong")).get_json(force=True)["detail"]
    assert words in answer.text


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\n/evil", ""])
def test_signing_in_never_leads_elsewhere(guest: FlaskClient, there: str) -> None:
    assert sign_in(guest, ADMIN, there=there).headers["Location"] == "/"


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_a_page_from_elsewhere_sends_is_refused_with_a_session_and_without_tokens(
    acme: FlaskClient, guest: FlaskClient, web: FlaskClient, headers: dict[str, str]
) -> None:
    for each in (acme, web):
        assert each.post("/jobs", json=BODY, headers=headers).get_json(force=True)["code"] == "forbidden"
        assert each.post("/jobs/j1/cancel", headers=headers).status_code == 403
    assert acme.get("/jobs", headers=headers).status_code == 200  # it cannot read the answer
    assert web.get("/jobs", headers=headers).status_code == 403  # nor can it here; but a GET may begin a job
    assert guest.post("/page/login", data={"token": ADMIN}, headers=headers).status_code == 403
    assert guest.post("/jobs", json=BODY, headers=headers | bearer()).status_code == 202  # who has a token may


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}]
)
def test_what_the_page_itself_sends_is_taken_and_what_a_program_does(
    acme: FlaskClient, web: FlaskClient, headers: dict[str, str]
) -> None:
    for each in (acme, web):
        assert each.post("/jobs", json=BODY, headers=headers).status_code == 202


def test_every_answer_of_the_page_has_its_policy_and_none_of_it_is_kept(acme: FlaskClient, guest: FlaskClient) -> None:
    acme.post("/jobs", json=BODY | {"job_id": "j1"})
    paths = ("/", "/page/jobs", "/page/jobs/j1", "/page/submit", "/page/login", "/page/jobs/none")
    for each in [acme.get(path, headers=HTML) for path in paths] + [guest.get("/", headers=HTML)]:
        policy = each.headers["Content-Security-Policy"]
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
        assert "unsafe" not in policy
        assert each.headers["Cache-Control"] == "no-store"
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! type=\"module\" src=)", each.text)


def test_files_are_kept_for_ever_under_an_address_that_changes_with_them(guest: FlaskClient) -> None:
    html = guest.get("/page/login").text
    (address,) = re.findall(r'href="([^"]*page\.css)"', html)
    kept = guest.get(address)
    assert (kept.status_code, kept.mimetype) == (200, "text/css")
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    old = guest.get("/page/static/0000/page.css")
    assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-cache")
    for name in ("nothing.js", "..%2fshell.py", ".."):
        assert guest.get(f"/page/static/0000/{name}").status_code == 404
    for each in (kept, old):
        each.close()


def test_the_list_is_what_the_api_says_with_how_many_stand_in_each_state(web: FlaskClient) -> None:
    for n in range(5):
        web.post("/jobs", json=BODY | {"job_id": f"j{n}", "target_language": "es" if n % 2 else "fr"})
    web.post("/jobs/j3/cancel")
    told = web.get("/page/jobs").get_json()
    assert told["jobs"] == web.get("/jobs").get_json()["jobs"]
    assert told["counts"] == {"queued": 4, "running": 0, "completed": 0, "error": 0, "cancelled": 1}
    found = web.get("/page/jobs?state=queued&language=es&limit=1").get_json()
    assert [job["job_id"] for job in found["jobs"]] == ["j1"]
    assert web.get("/page/jobs?nonsense=1").status_code == 422
    assert "j3" in web.get("/?state=cancelled&nonsense=1").text


def test_what_is_written_into_a_job_is_text_on_the_page(web: FlaskClient) -> None:
    evil = '"><script>alert(1)</script>'
    web.post("/jobs", json=BODY | {"job_id": "j1", "title": evil, "metadata": {"note": evil}})
    for path in ("/", "/page/jobs/j1", "/?text=%22%3E%3Cscript%3E", "/?language=%22%3E%3Cscript%3E"):
        answer = web.get(path, headers=HTML)
        assert (answer.status_code, "<script>" in answer.text) == (200, False)


def test_the_admin_s_list_has_all_clients_and_nobody_else_s_has(acme: FlaskClient, guest: FlaskClient) -> None:
    for client_id in ("acme", "default"):
        guest.post("/jobs", json=BODY | {"job_id": "talk"}, headers=bearer() | {"X-Client-Id": client_id})

    def listed(web: FlaskClient, query: str = "", **headers: str) -> Any:
        answer = web.get(f"/page/jobs{query}", headers=headers)
        return (
            [job["client_id"] for job in answer.get_json()["jobs"]] if answer.status_code == 200 else answer.status_code
        )

    assert listed(guest, **bearer()) == ["default", "acme"]
    assert listed(guest, "?client=acme", **bearer()) == ["acme"]
    assert listed(guest, "?client=No", **bearer()) == []
    assert listed(acme) == ["acme"]
    assert listed(acme, "?client=acme") == ["acme"]
    assert listed(acme, "?client=default") == 404
    assert acme.get("/page/jobs/talk?client=default").status_code == 404
    assert acme.get("/page/jobs/talk/timeline?client=default").status_code == 404
    assert acme.get("/page/clients/default/events").status_code == 404
    assert acme.get("/page/events").status_code == 403
    job = guest.get("/page/jobs/talk?client=acme", headers=bearer() | HTML)
    assert 'data-client="default" data-admin' in job.text  # who is asking, so that modules say for whom
    assert 'data-job="talk" data-client="acme"' in job.text


@pytest.fixture
def heard(shut: Flask) -> Callable[[str], list[str]]:
    """Return what reads the next four blocks of a stream."""

    def read(path: str) -> list[str]:
        with opened(shut.test_client(), path, Authorization=f"Bearer {ADMIN}") as blocks:
            return [next(blocks) for _ in range(4)]

    return read


@pytest.mark.parametrize("path", ["/page/events", "/page/clients/default/events"])
def test_a_browser_hears_the_pings_of_a_stream(
    guest: FlaskClient, heard: Callable[[str], list[str]], path: str
) -> None:
    assert guest.get("/jobs", headers=bearer()).status_code == 200
    blocks = heard(path)
    assert blocks.count("event: ping\ndata: 0.05") == 2
    assert any(each.endswith("retry: 1000") for each in blocks)


def test_the_stream_of_all_tells_what_was_missed_of_every_client(guest: FlaskClient, shut: Flask) -> None:
    hub = shut.extensions["dubq.hub"]
    token_of(guest, "acme")
    guest.post("/jobs", json=BODY | {"job_id": "before"}, headers=bearer())
    with opened(shut.test_client(), "/page/events", Authorization=f"Bearer {ADMIN}") as blocks:
        next(blocks)
        for client_id in ("acme", "default"):
            guest.post("/jobs", json=BODY | {"job_id": "talk"}, headers=bearer() | {"X-Client-Id": client_id})
        hub.tell_standing("", "", None)
        told = [each for each in (next(blocks) for _ in range(12)) if "data: {" in each]
    assert [re.findall(r'"job_id":"(\w+)","client_id":"(\w+)"', each) for each in told] == [
        [("talk", "default")],
        [("talk", "acme")],
    ]
