"""Requests per second of the API, and what each layer of it costs: two gunicorn processes, 64 keep-alive connections.

A service stands for each layer, all at once, and they take turns: so whatever else the machine does, all feel it alike.
CPU time per request says more than rates on a machine that is shared.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from time import process_time, sleep
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
import requests

from api.incoming import parse_object
from api.schema import Submission

from .figures import Load, bar, ms, quantile, rate, spent_s, table, title
from .house import House, house

PROCESSES: Final = 2
CONNECTIONS: Final = 64
ROUNDS: Final = 5
ROUND_S: Final = 1.5
JOBS: Final = 200
LEAST: Final = {"GET /jobs/{id}": 2500, "POST /jobs": 1300}
BODY: Final = {
    "video_url": "https://example.com/talk.mp4",
    "title": "A talk",
    "source_language": "en",
    "target_language": "es",
    "video_duration_s": 612.5,
    "metadata": {"project": "spring", "take": 3},
}
ADMIN: Final = {"Authorization": "Bearer benchmarks-are-admins-too"}

_BARE: Final = {"DUBQ_CLIENT_REQUESTS": "none", "DUBQ_CLIENT_QUEUED": "none", "DUBQ_LOG_LEVEL": "warning"}
_AUTH: Final = {**_BARE, "DUBQ_AUTH": "on", "DUBQ_ADMIN_TOKEN": ADMIN["Authorization"].removeprefix("Bearer ")}
_LIMITS: Final = {**_AUTH, "DUBQ_CLIENT_REQUESTS": "1000000/s", "DUBQ_CLIENT_QUEUED": "1000000"}
LAYERS: Final = {
    "bare": _BARE,
    "+ auth": _AUTH,
    "+ limits": _LIMITS,
    "+ logging": {**_LIMITS, "DUBQ_LOG_LEVEL": "info"},
}
"""Each has what those before it have: limits that nobody reaches, and the level of logs that a service has."""


@dataclass(slots=True)
class Tally:
    """What one kind of request came to: a rate and its CPU seconds per round, and what was not as it should be."""

    rates: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    load_cpu: list[float] = field(default_factory=list)
    wrong: int = 0


def run() -> bool:
    with services() as homes:
        kinds = {layer: kinds_of(home) for layer, home in homes.items()}
        tallies = {(kind, layer): Tally() for kind in kinds["bare"] for layer in LAYERS}
        idle = _idle()
        load = Load()
        for _ in range(ROUNDS):
            for (kind, layer), tally in tallies.items():
                wanted, sent = kinds[layer][kind]
                _round(homes[layer], sent, wanted, tally, idle)
        busy = load.words()
    _show(tallies)
    print(f"{busy} Load generator, Valkey and API share the cores.")
    right = bar("every answer is the right one", is_met=not any(tally.wrong for tally in tallies.values()))
    last = list(LAYERS)[-1]
    return all(
        [
            right,
            *(
                bar(f"{kind}: {least}/s at least, all on", is_met=_median(tallies[kind, last].rates) >= least)
                for kind, least in LEAST.items()
            ),
        ]
    )


@contextmanager
def services(layers: Mapping[str, Mapping[str, str]] = LAYERS) -> Iterator[dict[str, House]]:
    """Run a service for each of the layers."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(house(workers=0, processes=PROCESSES, more=more)) for name, more in layers.items()
        }


def kinds_of(home: House) -> dict[str, tuple[int, list[str]]]:
    """Return for each kind of request its right status, and requests to send in turn."""
    headers = {"Authorization": f"Bearer {token_of(home)}"}
    made = requests.post(f"{home.url}/jobs/batch", json={"jobs": [BODY] * JOBS}, headers=headers, timeout=30)
    made.raise_for_status()
    job_ids = [each["job"]["job_id"] for each in made.json()["results"]]
    return {
        "GET /healthz": (200, [request(home, "GET", "/healthz")]),
        "GET /jobs/{id}": (200, [request(home, "GET", f"/jobs/{job_id}", headers) for job_id in job_ids]),
        "POST /jobs": (202, [request(home, "POST", "/jobs", headers, json.dumps(BODY))]),
    }


def token_of(home: House, client_id: str = "bench") -> str:
    """Make a client and return its token; without auth any will do."""
    made = requests.post(f"{home.url}/clients", json={"client_id": client_id}, headers=ADMIN, timeout=30)
    made.raise_for_status()
    return str(made.json()["token"])


def request(home: House, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> str:
    """Write a request as it goes over the line."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(home.url).netloc}", "Accept: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body])


def attack(home: House, sent: list[str], seconds: float, connections: int = CONNECTIONS) -> dict[str, Any]:
    """Return what the load generator says of so many seconds."""
    order = {"port": urlsplit(home.url).port, "connections": connections, "seconds": seconds, "requests": sent}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _round(home: House, sent: list[str], wanted: int, tally: Tally, idle: float) -> None:
    before_s = spent_s(_parts())
    found = attack(home, sent, ROUND_S)
    cpu_s = spent_s(_parts()) - before_s - idle * found["took_s"]
    right, all_ = found["statuses"].get(str(wanted), 0), sum(found["statuses"].values())
    tally.rates.append(right / found["took_s"])
    tally.times_s += found["times_s"]
    tally.cpu_s.append(cpu_s / all_)
    tally.load_cpu.append(found["cpu_s"] / found["took_s"])
    tally.wrong += all_ - right


def _parts() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def _idle(seconds: float = 3.0) -> float:
    """Return the share of a core that all services take while nobody asks them anything."""
    sleep(seconds)  # their start
    before_s = spent_s(_parts())
    sleep(seconds)
    return (spent_s(_parts()) - before_s) / seconds


def _show(tallies: Mapping[tuple[str, str], Tally]) -> None:
    title(f"The API: {PROCESSES} gevent processes, {CONNECTIONS} connections, {ROUNDS} rounds of {ROUND_S} s")
    head = (
        "request",
        "service",
        "requests/s: median (least to most)",
        "of bare",
        "CPU per request",
        "p50",
        "p99",
        "generator",
    )
    rows = [(kind, layer, *_row(tally, tallies[kind, "bare"])) for (kind, layer), tally in tallies.items()]
    table(head, rows)
    for kind in LEAST:
        prices = {
            after: _median(tallies[kind, after].cpu_s) - _median(tallies[kind, before].cpu_s)
            for before, after in pairwise(LAYERS)
        }
        print(f"{kind}: {', '.join(f'{layer} {price * 1e6:.0f} µs' for layer, price in prices.items())} of CPU.")
    whole = _median(tallies["POST /jobs", list(LAYERS)[-1]].cpu_s)
    print(f"POST /jobs: reading and validating the body is {_validation_s() * 1e6:.0f} of its {whole * 1e6:.0f} µs.\n")


def _row(tally: Tally, bare: Tally) -> tuple[str, ...]:
    share = f"{_median(tally.rates) / _median(bare.rates):.0%}"
    p50, p99 = (ms(quantile(tally.times_s, each)) for each in (0.5, 0.99))
    cpu = f"{_median(tally.cpu_s) * 1e6:.0f} µs"
    return rate(tally.rates), share, cpu, p50, p99, f"{_median(tally.load_cpu):.0%} of a core"


def _median(values: list[float]) -> float:
    return quantile(values, 0.5)


def _validation_s(times: int = 1000) -> float:
    """Return the CPU seconds that the body of a submission costs before anything is done with it."""
    body = json.dumps(BODY).encode()
    began_s = process_time()
    for _ in range(times):
        _ = Submission.parse(parse_object(body)).fingerprint
    return (process_time() - began_s) / times
