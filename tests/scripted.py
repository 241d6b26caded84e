"""A client that follows a script, for what the command line makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from click.testing import CliRunner, Result
from given import START, a_job

from cli.main import dubq
from client import PlayedOutage, SimulatedClock, SimulatedOdds
from contract.delivery import Attempt, Delivery, DeliveryState
from contract.job import Failure, Job, Output
from contract.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from requests import Session

RUNNING = replace(a_job(), state=State.RUNNING, seq=2, stage="voice", progress=0.4, started_at=START)
CANCELLED = replace(a_job(), state=State.CANCELLED, seq=3, finished_at=START)
FAILED = replace(
    a_job(), state=State.ERROR, seq=5, error=Failure(code="no_speech", message="silence"), finished_at=START
)
DONE = replace(
    a_job(),
    state=State.COMPLETED,
    seq=5,
    progress=1.0,
    finished_at=START,
    output=Output(video_url="v", captions_url="c"),
)

SENT = Delivery(
    delivery_id="msg_2",
    job_id="j1",
    type="translation.completed",
    url="https://example.com/hook",
    created_at=START,
    next_attempt_at=START + timedelta(seconds=305),
    tried=2,
    attempts=(
        Attempt(at=START, duration_s=15.0, error="there was no answer within 15 s"),
        Attempt(at=START + timedelta(seconds=5), status=500, duration_s=0.25, error="answered 500"),
    ),
)


class Scripted:
    """A client that answers with `end`, or raises it; `ends` says it for single ids. It remembers what it was asked.

    `first` is raised by what comes before any waiting; `unknown` are ids of no job.
    """

    def __init__(
        self,
        end: Job | BaseException,
        *,
        first: BaseException | None = None,
        ends: dict[str, Job | BaseException] | None = None,
        unknown: Iterable[str] = (),
    ) -> None:
        self.end, self.first, self.ends, self.unknown = end, first, ends or {}, set(unknown)
        self.asked: dict[str, Any] = {}
        self.simulator = ScriptedSimulator(self)
        self.waits: list[list[str]] = []

    def __call__(self, url: str | None, *, token: str | None, session: Session | None = None) -> Self:
        self.asked["url"], self.asked["token"] = url, token
        self.asked["for"] = session.headers["X-Client-Id"] if session else None
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.asked["closed"] = True

    def _answer(self, job_id: str | None = None) -> Job:
        end = self.ends.get(job_id or "", self.end)
        if isinstance(end, BaseException):
            raise end
        return replace(end, job_id=job_id or end.job_id)

    def submit(self, video_url: str, **fields: Any) -> Job:
        self.asked["submitted"] = {"video_url": video_url} | fields
        if self.first:
            raise self.first
        return a_job()

    def submit_many(self, submissions: list[dict[str, Any]], *, timeout: float) -> list[Job]:  # noqa: ARG002
        made = self.asked.setdefault("many", [])
        made += submissions
        return [a_job(f"j{len(made) - len(submissions) + number}") for number in range(len(submissions))]

    def get_status(self, _job_id: str) -> Job:
        if self.first:
            raise self.first
        return RUNNING

    def get_statuses(self, job_ids: Iterable[str]) -> dict[str, Job]:
        if self.first:
            raise self.first
        return {job_id: replace(RUNNING, job_id=job_id) for job_id in job_ids if job_id not in self.unknown}

    def wait_all(
        self, job_ids: Iterable[str], *, timeout: float, on_update: Callable[[Job], object] = lambda _: None
    ) -> dict[str, Job]:
        ids = list(job_ids)
        self.waits.append(ids)
        self.asked["timeout"] = timeout
        for job_id in ids:
            on_update(replace(RUNNING, job_id=job_id))
        ended = {}
        for job_id in ids:
            ended[job_id] = self._answer(job_id)
            on_update(ended[job_id])
        return ended

    def cancel(self, _job_id: str) -> Job:
        if self.first:
            raise self.first
        return self._answer()

    reset = cancel

    def deliveries(self, job_id: str) -> list[Delivery]:
        if self.first:
            raise self.first
        return [] if job_id in self.unknown else [replace(SENT, delivery_id="msg_1", state=DeliveryState.FAILED), SENT]

    def redeliver(self, job_id: str, delivery_id: str) -> Delivery:
        self.asked["redelivered"] = (job_id, delivery_id)
        self._answer()
        return replace(SENT, delivery_id=delivery_id)

    def jobs(self, *, state: str | None = None) -> Iterator[Job]:
        self.asked["state"] = state
        if self.first:
            raise self.first
        yield from (a_job("j3"), a_job("j2", client_id="other"), a_job("j1"))


class ScriptedSimulator:
    """The simulator of such a client: whatever is asked of it is remembered, in order."""

    def __init__(self, client: Scripted) -> None:
        self._client = client
        self.did: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self._client.first:
                raise self._client.first
            self.did.append((name, *args, *(value for value in options.values() if value is not None)))
            if "odds" in name:
                return SimulatedOdds(error_rate=0.25)
            if "outage" in name:
                return PlayedOutage(kind=args[0] if args else None, left_s=9.0, share=1.0, latency=None)
            return SimulatedClock(now=START, ahead_s=1800.0, speed=0.0, frozen=True)

        return call


def run(client: Any, *words: str) -> Result:
    return CliRunner().invoke(dubq, words, obj=client, prog_name="dubq")
