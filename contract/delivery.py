"""A delivery: one webhook on its way to one receiver, with the log of its attempts; its schedule, and its moves.

Pure: each move takes the delivery as it is known and the time, and returns it as it will be.
Source of the schedule: Standard Webhooks 1.0, "Retries".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Self

from .job import Job, aware, to_rfc3339
from .states import ForeignWord, word_of

PAUSES_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Between an attempt that failed and the next one; after the last of them the delivery is given up."""
JITTER: Final = 0.1
"""A pause is up to so much longer: receivers that were down are not knocked at by all at one moment."""
LOG: Final = 20
"""Attempts that are remembered, the newest."""

ABANDONED: Final = "the worker that sent it was lost, so nobody knows whether it arrived"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryKind(StrEnum):
    """What is delivered: the document to a program, or word of it to a person."""

    WEBHOOK = "webhook"
    NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a delivery. `status` is that of the HTTP answer, None where none came; `error` says what was wrong.

    While it is under way, all but `at` are None.
    """

    at: datetime
    status: int | None = None
    duration_s: float | None = None
    error: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the attempt as JSON types."""
        return {
            "at": to_rfc3339(self.at),
            "status": self.status,
            "duration_s": self.duration_s,
            "error": self.error,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Read an attempt. Raises KeyError, TypeError or ValueError where it is none."""
        return cls(
            at=aware(datetime.fromisoformat(wire["at"])),
            status=wire["status"],
            duration_s=wire["duration_s"],
            error=wire["error"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One webhook for one receiver, or one notification. `delivery_id` is its `webhook-id`, the same on every attempt.

    `tried` counts the attempts since its schedule began, or began anew. `next_attempt_at` is None while an attempt is
    under way, and once there will be none. `attempts` are the newest, oldest first. A newer service may have states
    that this version does not know: they are strings, too. Of where a notification goes, `url` tells but the beginning.
    """

    delivery_id: str
    job_id: str
    kind: DeliveryKind | ForeignWord = DeliveryKind.WEBHOOK
    type: str
    url: str
    state: DeliveryState | ForeignWord = DeliveryState.PENDING
    created_at: datetime
    next_attempt_at: datetime | None = None
    tried: int = 0
    attempts: tuple[Attempt, ...] = ()

    @property
    def is_under_way(self) -> bool:
        """Whether somebody is sending it."""
        return self.state is DeliveryState.PENDING and self.next_attempt_at is None

    def to_wire(self) -> dict[str, Any]:
        """Return the delivery as JSON types."""
        return {
            "delivery_id": self.delivery_id,
            "job_id": self.job_id,
            "kind": str(self.kind),
            "type": self.type,
            "url": self.url,
            "state": str(self.state),
            "created_at": to_rfc3339(self.created_at),
            "next_attempt_at": None if self.next_attempt_at is None else to_rfc3339(self.next_attempt_at),
            "tried": self.tried,
            "attempts": [each.to_wire() for each in self.attempts],
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Read a delivery; fields that this version does not know are ignored.

        Raises KeyError, TypeError or ValueError where it is none.
        """
        next_attempt = wire["next_attempt_at"]
        return cls(
            delivery_id=wire["delivery_id"],
            job_id=wire["job_id"],
            kind=word_of(DeliveryKind, wire.get("kind", DeliveryKind.WEBHOOK)),
            type=wire["type"],
            url=wire["url"],
            state=word_of(DeliveryState, wire["state"]),
            created_at=aware(datetime.fromisoformat(wire["created_at"])),
            next_attempt_at=None if next_attempt is None else aware(datetime.fromisoformat(next_attempt)),
            tried=int(wire["tried"]),
            attempts=tuple(map(Attempt.from_wire, wire["attempts"])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt: the `status` of the answer, if there was one, and in `error` what was wrong.

    `is_hopeless`: no later attempt could fare better.
    """

    status: int | None = None
    error: str | None = None
    is_hopeless: bool = False


def answered(status: int) -> Answer:
    """Say what an HTTP status means: 2xx alone is success, and 410 asks for no more attempts."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Answer(status=status)
    if status == HTTPStatus.GONE:
        return Answer(status=status, error="answered 410: the receiver wants no more of it", is_hopeless=True)
    moved = ", and redirects are not followed" if status < HTTPStatus.BAD_REQUEST else ""
    return Answer(status=status, error=f"answered {status}{moved}")


def pause_s(tried: int, chance: float) -> float | None:
    """Seconds from the end of the attempt number `tried` (from 1) to the next one; None: there is none.

    `chance` in [0, 1) makes it up to a tenth longer, never shorter.
    """
    return PAUSES_S[tried - 1] * (1 + JITTER * chance) if tried <= len(PAUSES_S) else None


def first(job: Job, url: str, delivery_id: str, kind: DeliveryKind = DeliveryKind.WEBHOOK) -> Delivery:
    """Return the delivery that tells of a job's end, due at once."""
    at = job.updated_at
    return Delivery(
        delivery_id=delivery_id,
        job_id=job.job_id,
        kind=kind,
        type=f"translation.{job.state}",
        url=url,
        created_at=at,
        next_attempt_at=at,
    )


def begin(delivery: Delivery, at: datetime) -> Delivery:
    """Somebody sends it now."""
    attempts = (*delivery.attempts, Attempt(at=at))[-LOG:]
    return replace(delivery, next_attempt_at=None, tried=delivery.tried + 1, attempts=attempts)


def settle(delivery: Delivery, answer: Answer, at: datetime, *, chance: float, speed: float = 1) -> Delivery:
    """The attempt that is under way has ended so. `speed` is how many times faster than real the schedule runs."""
    delivery = _ended(delivery, answer, at)
    if answer.error is None:
        return replace(delivery, state=DeliveryState.DELIVERED)
    rest_s = None if answer.is_hopeless else pause_s(delivery.tried, chance)
    if rest_s is None:
        return replace(delivery, state=DeliveryState.FAILED)
    # whole milliseconds, as all times have
    return replace(delivery, next_attempt_at=at + timedelta(milliseconds=round(rest_s * 1000 / speed)))


def abandon(delivery: Delivery, at: datetime) -> Delivery:
    """Whoever sent it is lost: the attempt counts, and the next one is due at once, or there is none."""
    delivery = _ended(delivery, Answer(error=ABANDONED), at)
    if pause_s(delivery.tried, 0) is None:
        return replace(delivery, state=DeliveryState.FAILED)
    return replace(delivery, next_attempt_at=at)


def again(delivery: Delivery, at: datetime) -> Delivery:
    """Its owner wants it to be sent now, with all of its schedule before it; one that is under way stays as it is."""
    if delivery.is_under_way:
        return delivery
    return replace(delivery, state=DeliveryState.PENDING, next_attempt_at=at, tried=0)


def _ended(delivery: Delivery, answer: Answer, at: datetime) -> Delivery:
    *before, last = delivery.attempts
    took_s = max(0.0, round((at - last.at).total_seconds(), 3))
    last = replace(last, status=answer.status, duration_s=took_s, error=answer.error)
    return replace(delivery, attempts=(*before, last))
