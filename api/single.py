"""The single-job face: one job per caller, which needs no id. A status server that simulates one translation."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

import flask
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from contract.errors import InvalidFieldsError, JobNotFoundError, NotJsonError, RequestError
from contract.job import Job
from contract.limits import TooManyQueuedError
from contract.states import Result
from store.jobs import JobStore

from .answers import COMPLETED
from .caller import client_id
from .documents import JobDocument
from .incoming import body, json_object, known_job_id, parameters, prefers_representation
from .jobs import new_job_id
from .operations import Answer, Body, Parameter, operation
from .outgoing import answer, describe, job_answer
from .problems import invalid, pointer, problem
from .schema import DAY_S, JobId, Submission

VIDEO: Final = "https://example.com/video.mp4"
"""What the single job translates: its callers name no video."""
_MISSING: Final = "No duration provided"
_INVALID: Final = "Invalid duration value"


class Single(TypedDict):
    """How the job stands, in one word."""

    result: Result


class Timer(TypedDict):
    """How long the single job shall take."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # pydantic's way to say so

    duration: Annotated[float, Field(ge=0, le=DAY_S, description="Seconds.")]


class Started(TypedDict):
    """That it has begun."""

    message: str


_JOB_ID: Final = Parameter(
    name="job_id", place="query", says="This job; else the single one, which begins if there is none.", type=JobId
)
_PREFER: Final = Parameter(
    name="Prefer",
    place="header",
    says="`return=representation`: the whole document.",
    example="return=representation",
)


class SingleRoutes:
    """GET /status and POST /start-timer. `clock` returns aware UTC times in whole milliseconds."""

    def __init__(self, store: JobStore, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/status", view_func=self.status)
        app.add_url_rule("/start-timer", view_func=self.start_timer, methods=["POST"])

    @operation(
        Answer(
            200,
            "How the job stands, or all of its document if the caller prefers that.",
            Single | JobDocument,
            headers=("Content-Location",),
            at_times=("ETag", "Retry-After", "Preference-Applied"),
            examples={"pending": {"result": "pending"}, "representation": COMPLETED},
        ),
        parameters=(_JOB_ID, _PREFER),
        errors=(JobNotFoundError, InvalidFieldsError),
    )
    def status(self) -> flask.Response:
        """Answer with the result of one job, or with its document if the caller prefers that."""
        job_id = parameters({"job_id"}).get("job_id")
        job = self._single() if job_id is None else self._store.read(known_job_id(job_id), client_id())
        if prefers_representation():
            response = job_answer(job)
            response.headers["Preference-Applied"] = "return=representation"
        else:
            response = answer({"result": job.result}, headers=describe(job))
        response.headers["Vary"] = "Prefer"
        response.headers["Cache-Control"] = "no-store"
        return response

    @operation(
        Answer(
            200,
            "It has begun; `GET /status` speaks of it.",
            Started,
            headers=("Content-Location",),
            at_times=("Retry-After",),
            examples={"ten": {"message": "Timer started for 10 seconds"}},
        ),
        body=Body(Timer, {"ten": {"duration": 10}}),
    )
    def start_timer(self) -> flask.Response:
        """Start a job of exactly so many seconds, and let /status speak of it."""
        try:
            duration = _duration()
        except RequestError as error:
            if error.status != RequestError.status:
                raise
            # callers older than the problem documents read this member, and know two texts
            return problem(error, error=_INVALID if isinstance(error, NotJsonError) else str(error))
        job = self._create(new_job_id(self._clock()), {"duration_s": duration})
        self._store.set_single(client_id(), job.job_id)
        return answer({"message": f"Timer started for {duration} seconds"}, headers=describe(job))

    def _single(self) -> Job:
        """Return the single job, started just now if there is none (any more)."""
        caller = client_id()
        job_id = self._store.single(caller)
        job_id = job_id or self._store.claim_single(caller, new_job_id(self._clock()))
        try:
            return self._store.read(job_id, caller)
        except JobNotFoundError:
            # just claimed, perhaps by somebody else who is about to make it, or past its time to live: whoever
            # asks now makes it under this very id, so that many askers at once start one job
            return self._make(job_id)

    def _make(self, job_id: str) -> Job:
        """Make the single job that was claimed; it is let go of if there is no room for it."""
        try:
            return self._create(job_id, None)
        except TooManyQueuedError:
            self._store.release_single(client_id(), job_id)
            raise

    def _create(self, job_id: str, simulate: dict[str, Any] | None) -> Job:
        submission = Submission.parse({"video_url": VIDEO, "simulate": simulate})
        return self._store.create(
            submission.job(job_id, client_id(), self._clock()),
            fingerprint=submission.fingerprint,
            simulate=submission.course,
            request_id=flask.g.request_id,
        ).job


def _duration() -> int | float:
    """Return the seconds that the body asks for.

    Raises RequestError with one of the two texts that callers know, or InvalidFieldsError for other fields.
    """
    if not body().strip():
        raise RequestError(_MISSING)
    fields = json_object()
    duration = fields.pop("duration", None)
    if duration is None:
        raise RequestError(_MISSING)
    if not isinstance(duration, int | float) or isinstance(duration, bool) or not 0 <= duration <= DAY_S:
        raise RequestError(_INVALID)
    if fields:
        raise invalid(pointer(min(fields)), "there is no such field")
    return abs(duration)  # -0.0 is a number of seconds, too
