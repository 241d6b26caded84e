"""What it costs to be watched over: the processor's time for a request's count and line, and for what is scraped."""

import os
import sys
from collections.abc import Callable
from time import process_time
from typing import Final

import structlog
from werkzeug.test import Client

from api import logs, tracing
from api.app import METER, create_app
from api.meter import Meter, Reporter
from api.settings import ApiSettings

from .figures import Load, bar, ms, table, title
from .house import house

CALLS: Final = 2_000
FEW: Final = 50
ROUNDS: Final = 15
MOST_US: Final = 30.0
"""A request's count and the line that is not written of a read: a tenth of what a read takes on an idle machine."""


def run() -> bool:
    with house(workers=1) as home:
        app, load = create_app(ApiSettings(), home.redis), Load()
        web = Client(app)
        web.post("/jobs", json={"video_url": "https://example.com/talk.mp4", "job_id": "talk"})
        Reporter(home.redis, app.extensions[METER], lambda: 0).turn()
        small = {name: _cpu_s(call, CALLS) for name, call in _small().items()}
        large = {
            f"GET {path}": _cpu_s(lambda path=path: web.get(path), FEW)
            for path in ("/jobs/talk", "/readyz", "/metrics")
        }
        busy = load.words()
    title("What it costs to be watched over: processor time of an API process")
    rows = [(name, f"{took_s * 1e6:.1f} us") for name, took_s in small.items()]
    table(("what", "at least"), [*rows, *((name, ms(took_s)) for name, took_s in large.items())])
    print(busy)
    spent_us = 1e6 * (small["count a request"] + small["a line that is not written"])
    return bar(f"a read that goes well: {MOST_US:g} us at most", is_met=spent_us <= MOST_US)


def _small() -> dict[str, Callable[[], object]]:
    stderr, sys.stderr = sys.stderr, open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - the log's, to the end
    logs.configure("info", "json")
    sys.stderr = stderr
    log, meter = structlog.get_logger(), Meter()
    structlog.contextvars.bind_contextvars(request_id="r" * 32, client_id="default", job_id="talk")
    facts = {"method": "GET", "path": "/jobs/talk", "status": 200, "duration_ms": 1.23}
    return {
        "count a request": lambda: tracing.count(meter, "GET", "/jobs/{job_id}", 200, 0.0012),
        "a line that is written": lambda: log.info("request", **facts),
        "a line that is not written": lambda: log.debug("request", **facts),
    }


def _cpu_s(call: Callable[[], object], calls: int) -> float:
    """Return the processor's time for one call: of several rounds the least, which others disturb the least."""

    def once() -> float:
        began_s = process_time()
        for _ in range(calls):
            call()
        return (process_time() - began_s) / calls

    return min(once() for _ in range(ROUNDS))
