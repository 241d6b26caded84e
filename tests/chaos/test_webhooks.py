"""Workers are killed in mid-delivery, and Valkey as well, and every webhook arrives and verifies."""

from __future__ import annotations

import threading

from service import Service, eventually, kill_tree
from waiters import VIDEO

from client import CallbackServer, DeliveryState, TranslationClient, WebhookEvent
from contract.addresses import LOOPBACK
from store.secrets import WebhookSecrets

HURRY = {"DUBQ_WEBHOOK_PRIVATE": LOOPBACK, "DUBQ_WEBHOOK_SPEED": "2000", "DUBQ_WEBHOOK_TIMEOUT_S": "1"}


class Handler:
    """Takes its time with the first events, until it is told to go on; notes whose events it has handled."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.handled: dict[str, str] = {}

    def __call__(self, event: WebhookEvent) -> None:
        self.begun.set()
        assert self.go_on.wait(60)
        assert self.handled.setdefault(event.job.job_id, event.webhook_id) == event.webhook_id


def test_every_webhook_arrives_though_its_workers_and_valkey_are_killed(service: Service) -> None:
    service.env |= HURRY
    service.start(workers=2)
    with service.connection() as connection:
        secret = WebhookSecrets(connection).live("default")
    handler, refused = Handler(), list[object]()
    with (
        TranslationClient(service.url) as client,
        CallbackServer(secret, on_event=handler, on_refused=refused.append) as server,
    ):
        jobs = [client.submit(VIDEO, callback_url=server.url, simulate={"duration_s": 0.1}).job_id for _ in range(6)]
        assert handler.begun.wait(20)
        for worker in service.workers:
            kill_tree(worker)
        service.valkey.terminate()
        service.start_valkey()
        handler.go_on.set()

        def all_have_arrived() -> bool:
            service.supervise()
            return handler.handled.keys() == set(jobs)

        eventually(all_have_arrived, 60, pause_s=0.2)
        for job_id in jobs:
            eventually(lambda: client.deliveries(job_id)[0].state is DeliveryState.DELIVERED, 30)  # noqa: B023 - now
            assert [each.delivery_id for each in client.deliveries(job_id)] == [handler.handled[job_id]]
        assert any(len(client.deliveries(job_id)[0].attempts) > 1 for job_id in jobs)
        assert refused == []
