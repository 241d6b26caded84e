"""Requests per second of the API: two gunicorn processes, 64 keep-alive connections, everything on one machine."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from client import TranslationClient

from .figures import Load, bar, ms, quantile, rate, table, title
from .house import House, house

PROCESSES: Final = 2
CONNECTIONS: Final = 64
ROUNDS: Final = 5
ROUND_S: Final = 2.5
JOBS: Final = 200
BODY: Final = {
    "video_url": "https://example.com/talk.mp4",
    "title": "A talk",
    "source_language": "en",
    "target_language": "es",
    "video_duration_s": 612.5,
    "metadata": {"project": "spring", "take": 3},
}


@dataclass(slots=True)
class Tally:
    """What one kind of request came to: a rate per round, every answer's time, and what was not as it should be."""

    rates: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    load_cpu: list[float] = field(default_factory=list)
    wrong: int = 0


def run() -> bool:
    with house(workers=0, processes=PROCESSES) as home:
        kinds = _kinds(home)
        tallies = {name: Tally() for name in kinds}
        load = Load()
        for _ in range(ROUNDS):
            for name, (wanted, requests) in kinds.items():
                _round(home, requests, wanted, tallies[name])
        busy = load.words()
    floor = quantile(tallies["GET /healthz"].rates, 0.5)
    rows = [_row(name, tally, floor) for name, tally in tallies.items()]
    title(f"The API: {PROCESSES} gevent processes, {CONNECTIONS} connections, {ROUNDS} rounds of {ROUND_S} s")
    head = ("request", "requests/s: median (least to most)", "of /healthz", "p50", "p99", "load generator's CPU")
    table(head, rows)
    print(f"{busy} Load generator, Valkey and API share the cores.")
    return bar("every answer is the right one", is_met=not any(tally.wrong for tally in tallies.values()))


def _kinds(home: House) -> dict[str, tuple[int, list[str]]]:
    """Return for each kind of request its right status, and requests to send in turn."""
    with TranslationClient(home.url) as client:
        job_ids = [client.submit("https://example.com/talk.mp4", title=f"Talk {n}").job_id for n in range(JOBS)]
    host = urlsplit(home.url).netloc
    return {
        "GET /healthz": (200, [_request(host, "GET", "/healthz")]),
        "GET /jobs/{id}": (200, [_request(host, "GET", f"/jobs/{job_id}") for job_id in job_ids]),
        "POST /jobs": (202, [_request(host, "POST", "/jobs", json.dumps(BODY))]),
    }


def _request(host: str, method: str, path: str, body: str = "") -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Accept: application/json"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body])


def _round(home: House, requests: list[str], wanted: int, tally: Tally) -> None:
    order = {
        "port": urlsplit(home.url).port,
        "connections": CONNECTIONS,
        "seconds": ROUND_S,
        "requests": requests,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    right = found["statuses"].get(str(wanted), 0)
    tally.rates.append(right / found["took_s"])
    tally.times_s += found["times_s"]
    tally.load_cpu.append(found["cpu_s"] / found["took_s"])
    tally.wrong += sum(found["statuses"].values()) - right


def _row(name: str, tally: Tally, floor: float) -> tuple[str, ...]:
    share = f"{quantile(tally.rates, 0.5) / floor:.0%}"
    p50, p99 = (ms(quantile(tally.times_s, each)) for each in (0.5, 0.99))
    return name, rate(tally.rates), share, p50, p99, f"{quantile(tally.load_cpu, 0.5):.0%} of a core"
