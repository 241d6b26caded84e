"""Every key and channel that dubq has in Redis (RQ's own begin with `rq:`)."""

import hashlib
from typing import Final

QUEUED: Final = "dubq:queued"
"""Sorted set: job_id by its tag, which says whose turn it is; a rank is a position."""
TURNS: Final = "dubq:turns"
"""Hash: the tag `served` last, how many `arrivals` there were, how many of the queue are `admitted` to RQ's list."""
LIMITS: Final = "dubq:limits"
"""Hash: how many jobs a client may have running, for each that has a limit of its own."""
RUNNING: Final = "dubq:running"
"""Sorted set: job_id by the time (ms) its worker's lease ends."""
DUE: Final = "dubq:due"
"""Sorted set: job_id by the time (ms) its next attempt may be queued."""
FINISHED: Final = "dubq:finished"
"""Sorted set: job_id by the time (ms) it may be forgotten."""
STRAYS: Final = "dubq:strays"
"""Sorted set: job_id of a job that was popped and not started, by the time (ms) it was first missed."""
OUTBOX: Final = "dubq:outbox"
"""Sorted set: delivery_id of a webhook that is owed, by the time (ms) the sweep looks after it."""
SETTLED: Final = "dubq:settled"
"""Sorted set: delivery_id of a webhook that was delivered or given up, by the time (ms) it may be forgotten."""
OVERDUE: Final = "dubq:overdue"
"""Sorted set: job_id of a queued job by the time (ms) it will have waited too long; empty without such a limit."""
SWEEP: Final = "dubq:sweep"
"""String, short-lived: somebody has swept just now."""
SWEPT: Final = "dubq:swept"
"""Hash: how sweeps have come, as `vigil` has it."""
CLOCKS: Final = "dubq:clocks"
"""Channel: the client_id whose simulated clock was moved."""
OUTAGE: Final = "dubq:outage"
"""String, as long as it lasts: the outage that the API plays, as JSON."""
EVERY_CHANNEL: Final = "dubq:events:*"
"""Pattern of all channels. Every publisher pays for each pattern: one for a whole process, none for a client."""


def record(job_id: str) -> str:
    """Hash: the document and what only the service knows of the job."""
    return f"dubq:job:{job_id}"


def listing(client_id: str, state: str | None = None) -> str:
    """Sorted set: a client's jobs (all, or those in one state) by the time (ms) they were made."""
    return f"dubq:jobs:{client_id}" + (f":{state}" if state else "")


def delivery(delivery_id: str) -> str:
    """Hash: one webhook, its body, and the log of its attempts."""
    return f"dubq:delivery:{delivery_id}"


def deliveries(job_id: str) -> str:
    """Sorted set: a job's delivery_ids by the time (ms) they were made."""
    return f"dubq:deliveries:{job_id}"


def webhook_secrets(client_id: str) -> str:
    """Sorted set: the secrets that sign a client's webhooks, by the time (ms) until which they do."""
    return f"dubq:webhook-secrets:{client_id}"


def aside(client_id: str) -> str:
    """Sorted set: those of a client's jobs that its limit keeps out of the queue, by their tags."""
    return f"dubq:aside:{client_id}"


def flow(client_id: str, priority: str) -> str:
    """Sorted set: a client's queued jobs of one priority by their tags."""
    return f"dubq:flow:{client_id}:{priority}"


def feed(client_id: str) -> str:
    """Stream: every change of a client's jobs, oldest first, capped."""
    return f"dubq:feed:{client_id}"


def channel(client_id: str, job_id: str) -> str:
    """Channel on which every change of one job is published."""
    return f"dubq:events:{client_id}:{job_id}"


def presence(holder: str) -> str:
    """Channel that a process listens on for as long as it lives; nothing is said there."""
    return f"dubq:presence:{holder}"


def clock(client_id: str) -> str:
    """String, 30 days: the turns of a client's simulated clock, as JSON."""
    return f"dubq:clock:{client_id}"


def ordinal(client_id: str) -> str:
    """String: how many jobs the client has made."""
    return f"dubq:ordinal:{client_id}"


def single(client_id: str) -> str:
    """String: the job_id that the single-job status API speaks of."""
    return f"dubq:single:{client_id}"


def durations(*, simulated: bool) -> str:
    """List: what the last jobs took that have ended, newest first; those with a prescribed course apart."""
    return "dubq:durations" + (":simulated" if simulated else "")


def idempotency(client_id: str, key: str) -> str:
    """String, a day long: the job_id that an Idempotency-Key stands for."""
    # hashed: the key is the caller's text, of any length and alphabet
    return f"dubq:idempotency:{client_id}:{hashlib.sha256(key.encode()).hexdigest()}"
