"""The commands about webhooks that the service sends: their log, and sending one again."""

import click

from client import Attempt, Delivery, DeliveryState
from contract.errors import DeliveryNotFoundError
from contract.job import to_rfc3339

from .connecting import Service, on_service
from .speech import Speech
from .words import columns


@click.command()
@click.argument("job_id", metavar="ID")
@on_service
def deliveries(job_id: str, service: Service, speech: Speech) -> None:
    """Show the log of the webhooks of the job ID: one for each time that it has ended, with every attempt."""
    with service.client() as client:
        found = client.deliveries(job_id)
    speech.result(
        {"deliveries": [each.to_wire() for each in found]},
        "\n".join(map(_log, found)) or "no webhooks: it has not ended, or nobody asked to be told",
    )


@click.command()
@click.argument("job_id", metavar="ID")
@click.argument("delivery_id", metavar="[DELIVERY]", required=False)
@on_service
def redeliver(job_id: str, delivery_id: str | None, service: Service, speech: Speech) -> None:
    """Send a webhook of the job ID again, now: the one named, or the newest."""
    with service.client() as client:
        if delivery_id is None:
            found = client.deliveries(job_id)
            if not found:
                raise DeliveryNotFoundError(f"job {job_id} has no webhooks yet", job_id=job_id)
            delivery_id = found[-1].delivery_id
        delivery = client.redeliver(job_id, delivery_id)
    speech.result(delivery.to_wire(), f"{delivery_id} is on its way to {delivery.url}")


def _log(delivery: Delivery) -> str:
    """Return one delivery as lines: what has become of it, and each attempt."""
    rows = list(map(_row, delivery.attempts))
    head = f"{delivery.delivery_id}  {delivery.type}  {delivery.state}{_next(delivery)}  {delivery.url}"
    return "\n".join([head, *([columns(rows)] if rows else [])])


def _next(delivery: Delivery) -> str:
    """Say when the next attempt is, if there is to be one."""
    if delivery.state is not DeliveryState.PENDING:
        return ""
    return f", next {to_rfc3339(delivery.next_attempt_at)}" if delivery.next_attempt_at else ", under way"


def _row(attempt: Attempt) -> tuple[str, str, str, str]:
    """Return an attempt as cells: when, how long, and what came of it."""
    took = "" if attempt.duration_s is None else f"{attempt.duration_s:.3f} s"
    outcome = attempt.error or (f"answered {attempt.status}" if attempt.status else "under way")
    return "", to_rfc3339(attempt.at), took, outcome
