"""A job's course as spans of time, for a picture that is drawn to scale. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from contract.delivery import Delivery
from contract.job import Job
from contract.states import State

from .views import span

SOON: Final = 1.0
"""A webhook that begins within so many lengths of the job after its end is in the picture; later ones are told of."""
SOON_AT_LEAST_S: Final = 10.0
LEAST: Final = 0.3
"""Percent of the picture that a moment takes, to be seen."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took its time, in Unix milliseconds; `to_ms` None: it goes on.

    `kind` is `queued`, `running` or `webhook`, and how it ended where that says more: `error`, `failed`.
    """

    label: str
    kind: str
    attempt: int
    from_ms: int
    to_ms: int | None

    def drawn(self, began_ms: int, length_ms: int, now_ms: int) -> dict[str, str]:
        """Return where it lies in a picture that begins at `began_ms`, and what it took in words."""
        to_ms = self.to_ms or now_ms
        width = max(LEAST, 100 * (to_ms - self.from_ms) / length_ms)
        return {
            "label": self.label,
            "kind": self.kind,
            "x": f"{min(100 - width, 100 * (self.from_ms - began_ms) / length_ms):.2f}%",
            "width": f"{width:.2f}%",
            "after": span((self.from_ms - began_ms) / 1000),
            "took": span(max(0, to_ms - self.from_ms) / 1000),
        }


@dataclass(frozen=True, slots=True)
class Timeline:
    """The spans in the order of their beginnings. Unless it is `complete`, some of what was is known no more."""

    spans: tuple[Span, ...]
    complete: bool

    def to_wire(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"spans": [asdict(each) for each in self.spans], "complete": self.complete}

    def drawn(self, now_ms: int) -> list[dict[str, str]]:
        """Return the rows of the picture."""
        if not self.spans:
            return []
        began_ms = self.spans[0].from_ms
        length_ms = max(1, *(max(each.from_ms, each.to_ms or now_ms) - began_ms for each in self.spans))
        return [each.drawn(began_ms, length_ms, now_ms) for each in self.spans]


def timeline(changes: Iterable[Job], deliveries: Sequence[Delivery]) -> Timeline:
    """Return the course of a job, from the documents after each of its changes and from its webhooks."""
    told = list(changes)
    complete = [job.seq for job in told] == list(range(1, len(told) + 1)) and bool(told)
    spans = _closed(list(_steps(told)))
    return Timeline((*spans, *_webhooks(deliveries, spans)), complete)


def _steps(told: Iterable[Job]) -> Iterator[Span]:
    """Yield a span for each change that begins another step; its end is the beginning of the next."""
    before: tuple[str, str | None, int] | None = None
    for job in told:
        step = (str(job.state), job.stage, job.attempt)
        if step != before and not (job.done and before and before[0] == job.state):
            yield _begun(job)
        before = step


def _begun(job: Job) -> Span:
    if job.state is State.RUNNING:
        label = job.stage or "starting"
    elif job.state is State.QUEUED:
        label = "queued" if job.attempt == 1 else f"waiting for attempt {job.attempt}"
    else:
        label = str(job.state)
    return Span(label, str(job.state), job.attempt, _ms(job.updated_at), _ms(job.updated_at) if job.done else None)


def _closed(spans: list[Span]) -> list[Span]:
    """End each span where the next one begins; an instant is not shown unless it is an end."""
    following = [*spans[1:], None][: len(spans)]
    closed = [
        each if next_ is None or each.to_ms is not None else replace(each, to_ms=next_.from_ms)
        for each, next_ in zip(spans, following, strict=True)
    ]
    return [each for each in closed if each.to_ms != each.from_ms or each.kind not in {"running", "queued"}]


def _webhooks(deliveries: Sequence[Delivery], spans: Sequence[Span]) -> Iterator[Span]:
    """Yield the attempts at webhooks that are near enough to the job's course to be drawn on its scale."""
    if not spans:
        return
    ends = spans[-1].to_ms or spans[-1].from_ms
    latest_ms = ends + max(SOON_AT_LEAST_S * 1000, SOON * (ends - spans[0].from_ms))
    for delivery in deliveries:
        for number, each in enumerate(delivery.attempts, start=max(1, delivery.tried - len(delivery.attempts) + 1)):
            from_ms = _ms(each.at)
            if from_ms <= latest_ms:
                to_ms = None if each.duration_s is None else from_ms + round(each.duration_s * 1000)
                kind = "webhook" if each.error is None else "failed"
                yield Span(f"webhook, try {number}", kind, 0, from_ms, to_ms)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
