"""Webhooks as the service sends them, for tests of who receives them; and bytes that are none."""

from __future__ import annotations

import base64
import json
import socket
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests
from given import START, a_job

from client import CallbackServer, WaitTimeoutError, webhooks
from client.webhooks import WebhookEvent
from contract.job import Failure, Job, Output
from contract.states import State

if TYPE_CHECKING:
    from client.webhooks import Secret

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


def ended(state: State = State.COMPLETED, job_id: str = "j1") -> Job:
    output = Output(video_url="https://example.com/es.mp4", captions_url="https://example.com/es.vtt")
    return replace(
        a_job(job_id, target_language="es"),
        state=state,
        seq=5,
        progress=1.0,
        finished_at=START,
        output=output if state is State.COMPLETED else None,
        error=Failure(code="no_speech", message="silence") if state is State.ERROR else None,
    )


def event_of(job: Job, webhook_id: str = "msg_1") -> WebhookEvent:
    return WebhookEvent(webhook_id=webhook_id, type=f"translation.{job.state}", timestamp=START, job=job)


def body_of(event: WebhookEvent) -> bytes:
    return json.dumps(event.to_wire()).encode()


def post(
    url: str,
    event: WebhookEvent,
    secret: Secret = SECRET,
    *,
    body: bytes | None = None,
    headers: dict[str, Any] | None = None,
) -> requests.Response:
    """Deliver an event, signed now, as the service would; or another body with its signature."""
    raw = body_of(event)
    signed = webhooks.sign(raw, secret, webhook_id=event.webhook_id, timestamp=datetime.now(UTC))
    return requests.post(url, data=raw if body is None else body, headers=signed | (headers or {}), timeout=10)


def quiet(server: CallbackServer) -> bool:
    """Whether nothing waits to be taken."""
    try:
        server.take(0)
    except WaitTimeoutError:
        return True
    return False


def raw(server: CallbackServer, sent: bytes) -> bytes:
    """Send bytes and say no more; return all that comes back until the server hangs up."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as line:
        line.sendall(sent)
        received = b""
        while chunk := line.recv(65536):
            received += chunk
        return received
