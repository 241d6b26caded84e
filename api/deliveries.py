"""The routes about a job's webhooks: the log of their deliveries, and sending one again."""

import flask
from typing_extensions import TypedDict

from contract.errors import DeliveryNotFoundError, JobNotFoundError
from store.jobs import JobStore
from store.outbox import Outbox

from .answers import DELIVERY
from .caller import client_id
from .documents import DeliveryDocument
from .incoming import known_job_id
from .operations import Answer, operation
from .outgoing import answer


class Deliveries(TypedDict):
    """The webhooks of a job, oldest first."""

    deliveries: list[DeliveryDocument]


class DeliveryRoutes:
    """The webhooks of whoever is asking."""

    def __init__(self, store: JobStore, outbox: Outbox) -> None:
        self._store, self._outbox = store, outbox

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/jobs/<job_id>/deliveries", view_func=self.deliveries)
        app.add_url_rule(
            "/jobs/<job_id>/deliveries/<delivery_id>/redeliver", view_func=self.redeliver, methods=["POST"]
        )

    @operation(
        Answer(200, "The log of each.", Deliveries, examples={"retried": Deliveries(deliveries=[DELIVERY])}),
        errors=(JobNotFoundError,),
    )
    def deliveries(self, job_id: str) -> flask.Response:
        """Answer with the deliveries of a job's webhooks, oldest first; they may outlive the job."""
        job_id = known_job_id(job_id)
        found = self._outbox.of_job(job_id, client_id())
        if not found:
            self._store.read(job_id, client_id())  # there is none yet, or there is no such job
        return answer(Deliveries(deliveries=[each.to_wire() for each in found]))

    @operation(
        Answer(202, "The delivery, due now.", DeliveryDocument, examples={"due": DELIVERY}),
        errors=(JobNotFoundError, DeliveryNotFoundError),
    )
    def redeliver(self, job_id: str, delivery_id: str) -> flask.Response:
        """Have a webhook sent again."""
        return answer(self._outbox.redeliver(known_job_id(job_id), delivery_id, client_id()).to_wire(), 202)
