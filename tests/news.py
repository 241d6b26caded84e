"""How a test hears news of a job from the API without a socket: a stream block by block, or an answer held back."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from contract.job import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

    from store.runs import Run, RunStore

OUTPUT = Output(video_url="https://e.x/o", captions_url="https://e.x/c")
BODY = {"video_url": "https://e.x/v"}


def submit(web: FlaskClient, job_id: str = "j1") -> None:
    assert web.post("/jobs", json=BODY | {"job_id": job_id}).status_code == 202


def start(runs: RunStore, job_id: str = "j1") -> Run:
    run = runs.start(job_id)
    assert run
    return run


@contextmanager
def opened(web: FlaskClient, path: str, **headers: str) -> Iterator[Iterator[str]]:
    """Open a stream; yield its blocks, each without the empty line that ends it."""
    answer = web.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert (answer.status_code, answer.content_type) == (200, "text/event-stream")
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-store", "no")
    try:
        yield (block for part in answer.response for block in part.decode().split("\n\n") if block)
    finally:
        answer.close()


def document(block: str) -> tuple[str, dict[str, Any]]:
    """Return an event's id and its job."""
    place, data = block.split("\n")
    assert place.startswith("id: ")
    return place[4:], json.loads(data.removeprefix("data: "))


def next_job(blocks: Iterator[str]) -> dict[str, Any]:
    return document(next(block for block in blocks if not block.startswith(": ping")))[1]


def held(web: FlaskClient, prefer: str, **headers: str) -> TestResponse:
    return web.get("/jobs/j1", headers={"Prefer": prefer} | {n.replace("_", "-"): v for n, v in headers.items()})
