"""A small HTTP server that plays the service for its clients, over a real Redis."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import redis

from contract.job import Job
from contract.states import State

if TYPE_CHECKING:
    from pathlib import Path

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class PlayedService(ThreadingHTTPServer):
    """Knows some jobs, publishes their changes, and may be away: then it hangs up on whoever knocks."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, redis_path: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.redis_path = redis_path
        self.redis_url = f"unix://{redis_path}"
        self.redis = redis.Redis(unix_socket_path=str(redis_path))
        self.jobs: dict[str, Job] = {}
        self.requests: list[tuple[float, str]] = []
        self.is_away = False
        self.hangs_up_once = False  # on the next request, as if its time had just been over
        self.beginning: bytes | None = None  # of each stream of events, which goes no further; None: there are none
        self.is_over = threading.Event()
        self.connected: list[float] = []  # when somebody has
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, job_id: str = "j1") -> Job:
        job = Job(
            job_id=job_id,
            client_id="acme",
            state=State.RUNNING,
            seq=2,
            video_url="https://example.com/a.mp4",
            created_at=BEGAN,
            updated_at=BEGAN,
        )
        self.jobs[job_id] = job
        return job

    def end(self, job_id: str = "j1", *, tell: bool = True, show: bool = True) -> None:
        """End a job; `tell` the subscribers, `show` it to whoever asks."""
        job = self.jobs[job_id]
        done = replace(job, state=State.COMPLETED, seq=job.seq + 1, finished_at=datetime.now(UTC))
        if show:
            self.jobs[job_id] = done
        if tell:
            self.redis.publish(f"dubq:events:acme:{job_id}", json.dumps(done.to_wire()))

    def listeners(self, job_id: str = "j1") -> int:
        channel = f"dubq:events:acme:{job_id}"
        return int(dict(self.redis.pubsub_numsub(channel))[channel.encode()])

    def subscribers(self) -> int:
        """Count the connections that are subscribed to anything."""
        return len(self.lines())

    def lines(self) -> list[int]:
        """Return these connections, each by its number at Redis."""
        return [int(each["id"]) for each in self.redis.client_list() if int(each["sub"]) > 0]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connected.append(time.monotonic())
        super().process_request(request, client_address)

    def bulk_reads(self) -> int:
        return sum(1 for _, each in self.requests if each.startswith("/jobs?ids="))

    def asked(self, path: str) -> int:
        return sum(1 for _, each in self.requests if each == path)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: PlayedService

    def do_GET(self) -> None:
        self.server.requests.append((time.monotonic(), self.path))
        if self.server.is_away or self.server.hangs_up_once:
            self.server.hangs_up_once = False
            self.close_connection = True
        elif self.path == "/connect":
            redis = {"url": self.server.redis_url, "channel": "acme"}
            has_events = self.server.beginning is not None
            self._answer(200, {"client_id": "acme", "redis": redis, "sse": has_events})
        elif self.path.endswith("/events"):
            self._begin_stream()
        elif self.path.startswith("/jobs?ids="):
            ids = self.path.partition("=")[2].split(",")
            found = [self.server.jobs[each].to_wire() for each in ids if each in self.server.jobs]
            self._answer(200, {"jobs": found, "missing": []})
        else:
            job = self.server.jobs[self.path.rpartition("/")[2]]
            is_known = self.headers.get("If-None-Match") == f'"{job.seq}"'
            self._answer(304, None) if is_known else self._answer(200, job.to_wire())

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.server.beginning:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(self.server.beginning), self.server.beginning))
        self.server.is_over.wait(30)
        self.close_connection = True

    def _answer(self, status: int, document: Any) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
