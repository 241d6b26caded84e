"""What RQ runs for each attempt at a webhook, or a notification, that is due."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from rq import get_current_job
from standardwebhooks import Webhook

from contract.delivery import Answer
from store.outbox import Outbox, Parcel
from store.records import now_utc
from store.secrets import WebhookSecrets

from . import logs
from .logs import Log
from .notifying import Notifier
from .posting import Sender
from .settings import WorkerSettings
from .tasks import quick

GRACE_S: Final = 3.0
"""What it may take to write how an attempt has ended, beyond the attempt itself: then its worker counts as lost."""


def deliver(delivery_id: str) -> None:
    """Send the webhook of this id if it is due, on the Redis of the RQ worker that calls.

    Returns None however that ends: the delivery's log says how it went.
    """
    task = get_current_job()
    if task is None:
        raise RuntimeError("worker.webhooks.deliver is for an RQ worker to call")
    settings, courier = _process()
    with quick(task.connection) as connection:
        courier.deliver(delivery_id, Outbox(connection, settings.store), WebhookSecrets(connection))


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Makes attempts at deliveries. `speed` is that of the schedule, `chance` its jitter in [0, 1)."""

    sender: Sender
    notifier: Notifier
    log: Log
    speed: float = 1.0
    chance: Callable[[], float] = random.random
    clock: Callable[[], datetime] = now_utc

    def deliver(self, delivery_id: str, outbox: Outbox, secrets: WebhookSecrets) -> None:
        """Make the next attempt, if there is one to make."""
        parcel = outbox.begin(delivery_id, self.sender.timeout_s + GRACE_S)
        if parcel is None:
            self.log.info("webhook_void", delivery_id=delivery_id)
            return
        if parcel.target_id:
            answer = self.notifier.send(outbox.targets.read(parcel.client_id, parcel.target_id), parcel.body)
        else:
            answer = self._post(parcel, secrets)
        delivery = outbox.settle(parcel, answer, chance=self.chance(), speed=self.speed)
        request = {"request_id": parcel.request_id} if parcel.request_id else {}
        log = self.log.bind(
            client_id=parcel.client_id,
            job_id=parcel.delivery.job_id,
            delivery_id=delivery_id,
            kind=str(parcel.delivery.kind),
            tried=parcel.delivery.tried,
            **request,
        )
        if delivery is None:
            log.warning("webhook_given_up", answered=answer.status, reason=answer.error)
        elif answer.error is None:
            log.info("webhook_delivered", answered=answer.status)
        else:
            log.warning("webhook_refused", answered=answer.status, reason=answer.error, state=delivery.state.value)

    def _post(self, parcel: Parcel, secrets: WebhookSecrets) -> Answer:
        delivery, live = parcel.delivery, secrets.live(parcel.client_id)
        headers = signed(parcel.body, live, webhook_id=delivery.delivery_id, at=self.clock())
        if parcel.request_id:
            headers["X-Request-Id"] = parcel.request_id
        return self.sender.post(delivery.url, headers, parcel.body)


def signed(body: bytes, secrets: tuple[str, ...], *, webhook_id: str, at: datetime) -> dict[str, str]:
    """Return the headers of a webhook, with a signature by each secret. Source: Standard Webhooks 1.0."""
    at = at.astimezone(UTC)  # the library takes the hands of the clock for UTC, whatever the zone
    signatures = [Webhook(secret).sign(webhook_id, at, body.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": "dubq",
        "Connection": "close",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


@cache
def _process() -> tuple[WorkerSettings, Courier]:
    """Read the settings: once per process, at its first webhook."""
    settings = WorkerSettings.from_env(os.environ)
    log = logs.configure(settings.log_level, settings.log_format)
    sender = Sender(allowed=settings.webhook_private, timeout_s=settings.webhook_timeout_s)
    notifier = Notifier(
        schemes=settings.store.notify_schemes,
        allowed=settings.webhook_private,
        timeout_s=settings.webhook_timeout_s,
    )
    return settings, Courier(sender=sender, notifier=notifier, log=log, speed=settings.webhook_speed)
