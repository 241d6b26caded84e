"""The API as it runs: gunicorn with two processes on a real Valkey."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from keyspace import keyspace
from service import ROOT, Service, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT_ONCE = 16
BODY = {"video_url": "https://example.com/v.mp4"}
JSON = {"Content-Type": "application/json"}

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service({"WEB_CONCURRENCY": "2", "DUBQ_JOB_TTL_S": "1"}) as service:
        service.start_valkey()
        service.start_api()
        yield service


@pytest.fixture
def url(service: Service) -> str:
    service.connection().flushall()
    return service.url


OWN = (b"dubq:swe", b"dubq:processes", b"dubq:minute:")


def jobs_in(service: Service) -> dict[bytes, Any]:
    """Return the keyspace without the sweep's own notes."""
    return {key: value for key, value in keyspace(service.connection()).items() if not key.startswith(OWN)}


def at_once(ask: Callable[[], requests.Response]) -> list[requests.Response]:
    """Ask from many threads, all of them at the same moment."""
    together = threading.Barrier(AT_ONCE)

    def one(_: int) -> requests.Response:
        together.wait()
        return ask()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


@pytest.mark.parametrize(
    ("body", "headers"), [(BODY | {"job_id": "j1"}, {}), (BODY, {"Idempotency-Key": "k1"})], ids=["job_id", "key"]
)
def test_the_same_submission_many_times_at_once_makes_one_job(
    service: Service, url: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    answers = at_once(lambda: requests.post(f"{url}/jobs", json=body, headers=headers, timeout=30))
    assert sorted(each.status_code for each in answers) == [200] * (AT_ONCE - 1) + [202]
    assert len({each.json()["job_id"] for each in answers}) == 1
    assert service.connection().llen("rq:queue:default") == 1
    assert service.connection().zcard("dubq:jobs:default") == 1


def test_different_submissions_under_one_id_at_once_make_one_job(service: Service, url: str) -> None:
    titles = iter(str(n) for n in range(AT_ONCE))
    answers = at_once(
        lambda: requests.post(f"{url}/jobs", json=BODY | {"job_id": "j1", "title": next(titles)}, timeout=30)
    )
    assert sorted(each.status_code for each in answers) == [202] + [409] * (AT_ONCE - 1)
    assert service.connection().zcard("dubq:jobs:default") == 1


def test_the_first_questions_for_the_status_at_once_start_one_job(service: Service, url: str) -> None:
    answers = at_once(lambda: requests.get(f"{url}/status", timeout=30))
    assert [each.json() for each in answers] == [{"result": "pending"}] * AT_ONCE
    assert len({each.headers["Content-Location"] for each in answers}) == 1
    assert service.connection().zcard("dubq:jobs:default") == 1


def test_ten_megabytes_are_refused_whether_announced_or_not(service: Service, url: str) -> None:
    chunk = b" " * 10_000
    for data in (chunk * 1000, (chunk for _ in range(1000))):
        answer = requests.post(f"{url}/jobs", data=data, headers=JSON, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert jobs_in(service) == {}


def test_a_thousand_long_ids_fit_into_one_request_and_ten_thousand_are_refused_in_our_words(url: str) -> None:
    ids = [f"{n:064d}" for n in range(10_000)]
    found = requests.get(f"{url}/jobs", params={"ids": ",".join(ids[:1000])}, timeout=30)
    assert found.json() == {"jobs": [], "missing": ids[:1000]}
    refused = requests.get(f"{url}/jobs?ids={','.join(ids)}", timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_fields")


def exchange(service: Service, sent: bytes) -> bytes:
    """Send raw bytes and return all that comes back until the service hangs up."""
    came = b""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as raw, suppress(ConnectionError):
        raw.sendall(sent)
        while part := raw.recv(65_536):
            came += part
    return came


@pytest.mark.parametrize("chunk", [b"xyz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}garbage\r\n", b"-5\r\n{}\r\n"])
def test_a_body_in_broken_chunks_is_a_400(service: Service, url: str, chunk: bytes) -> None:
    del url
    head = b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, _, rest = exchange(service, head + chunk).partition(b"\r\n")
    assert status == b"HTTP/1.1 400 BAD REQUEST"
    assert json.loads(rest.partition(b"\r\n\r\n")[2].splitlines()[0])["code"] == "bad_request"
    assert jobs_in(service) == {}


BROKEN = {
    "a method in small letters": b"get /jobs HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /jobs\r\n\r\n",
    "a path that is no ASCII": b"GET /jobs/\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length below zero": b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length and chunks": b"POST /jobs HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": b"POST /jobs HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: bogus\r\n\r\n",
    "two hosts": b"GET /jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a NUL in a header": b"GET /jobs HTTP/1.1\r\nHost: a\r\nX-A: a\0b\r\n\r\n",
    "a header of 9 kB": b"GET /jobs HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n",
    "200 headers": b"GET /jobs HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n",
    "a strange expectation": b"POST /jobs HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_what_is_no_http_gets_a_problem_document_too(service: Service, url: str, sent: bytes) -> None:
    del url
    head, _, body = exchange(service, sent).partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {problem['status']} ".encode())
    assert 400 <= problem["status"] < 500
    assert b"application/problem+json" in head
    assert f"X-Request-Id: {problem['request_id']}".encode() in head
    assert jobs_in(service) == {}


SMUGGLED = b"POST /jobs/j1/cancel HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
AMBIGUOUS = {
    "CL.TE": b"Content-Length: 6\r\nTransfer-Encoding: chunked",
    "TE.CL": b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    "a coding that is almost chunked": b"Transfer-Encoding: xchunked",
    "a coding after chunked": b"Transfer-Encoding: chunked, identity",
    "a coding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "a coding with a space before the colon": b"Transfer-Encoding : chunked",
    "a coding on a folded line": b"X-A: a\r\n Transfer-Encoding: chunked",
    "a coding behind a bare line feed": b"X-A: a\nTransfer-Encoding: chunked",
    "a coding with a control character": b"Transfer-Encoding: \x0bchunked",
    "a length twice": b"Content-Length: 4\r\nContent-Length: 5",
    "a list of lengths": b"Content-Length: 4, 5",
    "a length with a sign": b"Content-Length: +4",
    "a length in hex": b"Content-Length: 0x4",
    "a length with a space in it": b"Content-Length: 4 5",
}


@pytest.mark.parametrize("lines", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_request_whose_end_two_readers_may_see_differently_is_refused_and_the_line_closed(
    service: Service, url: str, lines: bytes
) -> None:
    requests.post(f"{url}/jobs", json=BODY | {"job_id": "j1"}, timeout=30)
    head = b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + lines
    came = exchange(service, head + b"\r\n\r\n0\r\n\r\n" + SMUGGLED)
    assert came.startswith(b"HTTP/1.1 400 ")
    assert came.count(b"HTTP/1.1 ") == 1
    assert requests.get(f"{url}/jobs/j1", timeout=30).json()["seq"] == 1


def test_no_answer_says_what_runs_here_or_of_which_version(service: Service) -> None:
    for sent in (b"GET /healthz", b"GET /nothing", b"POST /jobs", b"GET /jobs?limit=x", b"NONSENSE"):
        came = exchange(service, sent + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head = came.partition(b"\r\n\r\n")[0].lower()
        assert [line for line in head.splitlines() if line.startswith(b"server:")] in ([b"server: dubq"], [])
        for word in (b"gunicorn", b"gevent", b"python", b"flask", b"werkzeug", b"traceback"):
            assert word not in came.lower()


def test_slow_heads_are_cut_off_and_slow_bodies_hold_nobody_up(service: Service, url: str) -> None:
    slow = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(100)]
    try:
        for number, each in enumerate(slow):
            each.sendall(b"POST /jobs HTTP/1.1\r\nHost: a\r\n")
            if number % 2:
                each.sendall(b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        began_s = time.monotonic()
        for _ in range(20):
            assert requests.get(f"{url}/healthz", timeout=30).ok
        assert time.monotonic() - began_s < 2
        assert slow[0].recv(1) == b""  # it has had the two seconds that a connection may idle
        assert time.monotonic() - began_s < 10
    finally:
        for each in slow:
            each.close()


@pytest.mark.parametrize("header", ["SCRIPT_NAME: /zzz", "Script-Name: /zzz", "X-Forwarded-Proto: https"])
def test_no_header_moves_the_paths(service: Service, header: str) -> None:
    sent = f"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n\r\n".encode()
    assert exchange(service, sent).startswith(b"HTTP/1.1 200 ")


def test_a_request_line_without_an_end_is_cut_off(service: Service) -> None:
    # who hangs up while more is coming may be cut off before the answer is read
    assert exchange(service, b"GET /jobs?ids=" + b"a" * 1_200_000)[:13] in {b"HTTP/1.1 414 ", b""}


def test_the_api_sweeps_so_finished_jobs_are_forgotten_in_time(service: Service, url: str) -> None:
    requests.post(f"{url}/jobs", json=BODY | {"job_id": "j1"}, timeout=30)
    assert requests.post(f"{url}/jobs/j1/cancel", timeout=30).json()["state"] == "cancelled"
    eventually(lambda: requests.get(f"{url}/jobs/j1", timeout=30).status_code == 404, 15)
    assert service.connection().keys("dubq:job*") == []


def test_every_line_of_the_log_is_json_and_names_its_request(service: Service, url: str) -> None:
    requests.get(f"{url}/jobs/nobody", headers={"X-Request-Id": "look-for-me"}, timeout=30)
    lines = [json.loads(line) for line in service.log("api").splitlines()]
    (line,) = (each for each in lines if each.get("request_id") == "look-for-me")
    assert (line["event"], line["path"], line["status"]) == ("request", "/jobs/nobody", 404)


def test_redis_goes_away_and_comes_back_and_so_does_the_service() -> None:
    with Service() as service:
        service.start_valkey()
        service.start_api()
        url = f"{service.url}/jobs"
        assert requests.post(url, json=BODY | {"job_id": "j1"}, timeout=30).status_code == 202
        service.valkey.stop()
        away = requests.post(url, json=BODY | {"job_id": "j2"}, timeout=30)
        assert (away.status_code, away.json()["code"], away.headers["Retry-After"]) == (503, "unavailable", "1")
        service.start_valkey()
        eventually(lambda: requests.get(f"{url}/j1", timeout=30).ok, 15)
        assert requests.post(url, json=BODY | {"job_id": "j2"}, timeout=30).status_code == 202


def test_a_sigterm_ends_every_process_with_status_0() -> None:
    with Service({"WEB_CONCURRENCY": "2"}) as service:
        service.start_valkey()
        service.start_api()
        assert service.api
        service.api.send_signal(signal.SIGTERM)
        assert service.api.wait(timeout=20) == 0


def test_wrong_settings_are_all_named_and_nothing_is_started() -> None:
    env = {"PYTHONPATH": str(ROOT), "DUBQ_REDIS_URL": "http://x", "DUBQ_AUTH": "maybe", "DUBQ_LOG_LEVEL": "loud"}
    words = ["gunicorn", "-c", "python:api.gunicorn_conf", "api.app:from_env()"]
    ended = subprocess.run([sys.executable, "-m", *words], env=env, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 2
    for name in ("DUBQ_REDIS_URL", "DUBQ_AUTH", "DUBQ_LOG_LEVEL"):
        assert name.encode() in ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("address", "auth", "status"),
    [(("::", 5000, 0, 0), "off", 2), (("127.0.0.1", 5000), "off", 0), ("/run/s", "off", 0), (("::", 5000), "on", 0)],
)
def test_no_option_of_gunicorn_opens_a_service_without_tokens_to_others(
    address: object, auth: str, status: int
) -> None:
    words = f"""
import api.gunicorn_conf as conf
from types import SimpleNamespace as Some
conf.when_ready(Some(LISTENERS=[Some(sock=Some(getsockname=lambda: {address!r}))]))
"""
    env = {"PYTHONPATH": str(ROOT), "DUBQ_AUTH": auth}
    ended = subprocess.run([sys.executable, "-c", words], env=env, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, b"loopback alone" in ended.stderr) == (status, status == 2), ended.stderr
