"""Every key and channel that dubq has in Redis (RQ's own begin with `rq:`)."""

import hashlib
from typing import Final, NewType

from contract.ids import DEFAULT_CLIENT
from contract.job import Job

Ref = NewType("Ref", str)
"""What names one job among those of all clients: in its record's key, in the indexes, and in RQ, as its job's id."""

QUEUED: Final = "dubq:queued"
"""Sorted set: Ref by its tag, which says whose turn it is; a rank is a position."""
TURNS: Final = "dubq:turns"
"""Hash: the tag `served` last, how many `arrivals` there were, how many of the queue are `admitted` to RQ's list."""
RUNNING: Final = "dubq:running"
"""Sorted set: Ref by the time (ms) its worker's lease ends."""
DUE: Final = "dubq:due"
"""Sorted set: Ref by the time (ms) its next attempt may be queued."""
FINISHED: Final = "dubq:finished"
"""Sorted set: Ref by the time (ms) it may be forgotten."""
STRAYS: Final = "dubq:strays"
"""Sorted set: Ref of a job that was popped and not started, by the time (ms) it was first missed."""
OUTBOX: Final = "dubq:outbox"
"""Sorted set: delivery_id of a webhook that is owed, by the time (ms) the sweep looks after it."""
SETTLED: Final = "dubq:settled"
"""Sorted set: delivery_id of a webhook that was delivered or given up, by the time (ms) it may be forgotten."""
TALLY: Final = "dubq:tally"
"""Hash: what was counted since Redis was started, as `measures` has it; and which run of the `server` that is."""
PROCESSES: Final = "dubq:processes"
"""Hash: what each API process says of itself, once a second, as JSON."""
SWEEP: Final = "dubq:sweep"
"""String, short-lived: somebody has swept just now."""
SWEPT: Final = "dubq:swept"
"""Hash: how sweeps have come, as `vigil` has it."""
CLIENTS: Final = "dubq:clients"
"""Sorted set: client_id by the time (ms) it was made."""
DELETED: Final = "dubq:clients:deleted"
"""Set: client_id of a deleted client of whom there may still be jobs."""
RETIRING: Final = "dubq:clients:retiring"
"""Sorted set: client_id by the time (ms) that the next of its tokens ends."""
ADMIN: Final = "dubq:admin"
"""String: the SHA-256 of the admin's token, where the service has made one."""
CLOCKS: Final = "dubq:clocks"
"""Channel: the client_id whose simulated clock was moved."""
OUTAGE: Final = "dubq:outage"
"""String, as long as it lasts: the outage that the API plays, as JSON."""
_FOREIGN: Final = "__"
EVERY_CHANNEL: Final = "dubq:events:*"
"""Pattern of all channels. Every publisher pays for each pattern: one for a whole process, none for a client."""


def ref(client_id: str, job_id: str) -> Ref:
    """Return what names a job among all: where no tokens are asked for its job_id, else the client's name before it.

    No two jobs have the same: a client_id has no `_`. RQ allows A-Z a-z 0-9 _ - alone.
    """
    if client_id == DEFAULT_CLIENT and not job_id.startswith(_FOREIGN):
        return Ref(job_id)
    return Ref(f"{_FOREIGN}{client_id}_{job_id}")


def ref_of(job: Job) -> Ref:
    """Return what names this job among all."""
    return ref(job.client_id, job.job_id)


def record(ref: Ref) -> str:
    """Hash: the document and what only the service knows of the job."""
    return f"dubq:job:{ref}"


def listing(client_id: str, state: str | None = None) -> str:
    """Sorted set: a client's jobs (all, or those in one state) by the time (ms) they were made."""
    return f"dubq:jobs:{client_id}" + (f":{state}" if state else "")


def delivery(delivery_id: str) -> str:
    """Hash: one webhook, its body, and the log of its attempts."""
    return f"dubq:delivery:{delivery_id}"


def deliveries(ref: Ref) -> str:
    """Sorted set: a job's delivery_ids by the time (ms) they were made."""
    return f"dubq:deliveries:{ref}"


def webhook_secrets(client_id: str) -> str:
    """Sorted set: the secrets that sign a client's webhooks, by the time (ms) until which they do."""
    return f"dubq:webhook-secrets:{client_id}"


def targets(client_id: str) -> str:
    """Hash: whom a client wants to have told of its jobs' ends, besides webhooks, by target_id."""
    return f"dubq:targets:{client_id}"


def aside(client_id: str) -> str:
    """Sorted set: Ref of those of a client's jobs that its limit keeps out of the queue, by their tags."""
    return f"dubq:aside:{client_id}"


def flow(client_id: str, priority: str) -> str:
    """Sorted set: Ref of a client's queued jobs of one priority, by their tags."""
    return f"dubq:flow:{client_id}:{priority}"


def waiting(priority: str) -> str:
    """Sorted set: Ref of all queued jobs of one priority, by the time (ms) from which on each waits for a worker."""
    return f"dubq:waiting:{priority}"


def feed(client_id: str) -> str:
    """Stream: every change of a client's jobs, oldest first, capped."""
    return f"dubq:feed:{client_id}"


def channel(client_id: str, job_id: str) -> str:
    """Channel on which every change of one job is published."""
    return f"dubq:events:{client_id}:{job_id}"


def channels(client_id: str) -> str:
    """Pattern of all channels of one client: what its Redis user may subscribe to."""
    return channel(client_id, "*")


def expelled(client_id: str) -> str:
    """Channel: a token of this client has ended, so every process lets go of all that it keeps open for it.

    The pattern of a process has it, that of the client's Redis user has not.
    """
    return f"dubq:events:{client_id}"


def client(client_id: str) -> str:
    """String: what there is to know of a client, as JSON."""
    return f"dubq:client:{client_id}"


def limits(client_id: str) -> str:
    """Hash: the limits of its own that a client has, each by its name, as text."""
    return f"dubq:limits:{client_id}"


def pace(client_id: str) -> str:
    """Hash, as long as it counts: how many requests a client has made, by slots of time (ms)."""
    return f"dubq:pace:{client_id}"


def token(sha256: str) -> str:
    """String, until the token ends: the client_id that a token with this SHA-256 (in hex) stands for."""
    return f"dubq:token:{sha256}"


def streams(client_id: str) -> str:
    """Hash: how many streams and held answers a client has open in each API process."""
    return f"dubq:streams:{client_id}"


def api_process(name: str) -> str:
    """String, short-lived: an API process of this name is there."""
    return f"dubq:api:{name}"


def wrong_tokens(address: str) -> str:
    """Hash, as long as it counts: how many tokens that are none have come from an address, by slots of time (ms)."""
    return f"dubq:wrong-tokens:{address}"


def met(address: str, sha256: str) -> str:
    """String, a day long: a token with this SHA-256 was good at this address."""
    return f"dubq:met:{hashlib.sha256(f'{address} {sha256}'.encode()).hexdigest()}"


def session(sha256: str) -> str:
    """String, until the session ends: the SHA-256 of the token that a browser's session (its own in hex) stands for."""
    return f"dubq:session:{sha256}"


def presence(holder: str) -> str:
    """Channel that a process listens on for as long as it lives; nothing is said there."""
    return f"dubq:presence:{holder}"


def clock(client_id: str) -> str:
    """String, 30 days: the turns of a client's simulated clock, as JSON."""
    return f"dubq:clock:{client_id}"


def odds(client_id: str) -> str:
    """String: how often the client's simulated jobs fail, where it has said so."""
    return f"dubq:odds:{client_id}"


def ordinal(client_id: str) -> str:
    """String: how many jobs the client has made."""
    return f"dubq:ordinal:{client_id}"


def single(client_id: str) -> str:
    """String: the job_id that the single-job status API speaks of."""
    return f"dubq:single:{client_id}"


def durations(*, simulated: bool) -> str:
    """List: what the last jobs took that have ended, newest first; those with a prescribed course apart."""
    return "dubq:durations" + (":simulated" if simulated else "")


def minute(number: int) -> str:
    """Hash, 90 minutes: the counts when a minute (since the epoch) began, and how the service stood."""
    return f"dubq:minute:{number}"


def idempotency(client_id: str, key: str) -> str:
    """String, a day long: the job_id that an Idempotency-Key stands for."""
    # hashed: the key is the caller's text, of any length and alphabet
    return f"dubq:idempotency:{client_id}:{hashlib.sha256(key.encode()).hexdigest()}"
