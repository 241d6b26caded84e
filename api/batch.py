"""POST /jobs/batch: many submissions in one request, each judged alone."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast

import flask
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from contract.addresses import Reach
from contract.engines import DEFAULT
from contract.errors import DubqError, InvalidFieldsError
from store.jobs import Created, JobStore
from store.ledger import New

from .answers import QUEUED, SUBMISSION
from .caller import client_id
from .documents import JobDocument
from .incoming import idempotency_key, json_object
from .jobs import new_job_id
from .operations import Answer, Body, operation
from .outgoing import answer
from .problems import Problem, beyond, invalid, members, pointer
from .schema import Submission

MAX_JOBS: Final = 1000
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""What a thousand submissions with everything in them need."""
MOST_ERRORS: Final = 5
"""Wrong fields that are named for one submission: of a thousand bad ones the answer has to stay readable."""
MULTI_STATUS: Final = 207


class Batch(TypedDict):
    """Submissions, each judged alone: one that is none gets a problem of its own, and costs the others nothing."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # pydantic's way to say so

    jobs: Annotated[list[Submission | Any], Field(max_length=MAX_JOBS)]


class Taken(TypedDict):
    """A submission that has made a job (202), or had made it before (200)."""

    status: Literal[200, 202]
    job: JobDocument


class Refused(TypedDict):
    """A submission that has made none."""

    status: Annotated[int, Field(ge=400, le=599)]
    problem: Problem


class Results(TypedDict):
    """What has become of each submission, in their order."""

    results: list[Taken | Refused]


class BatchRoutes:
    """The one route. `clock` returns aware UTC times in whole milliseconds.

    `engines` and `private` are as for single submissions.
    """

    def __init__(
        self,
        store: JobStore,
        clock: Callable[[], datetime],
        *,
        engines: Sequence[str] = DEFAULT,
        private: Reach = Reach(),  # noqa: B008 - frozen
    ) -> None:
        self._store, self._clock, self._engines, self._private = store, clock, engines, private

    def mount(self, app: flask.Flask) -> None:
        """Put the route into `app`."""
        app.add_url_rule("/jobs/batch", view_func=self.submit_many, methods=["POST"])

    @operation(
        Answer(
            MULTI_STATUS,
            "A result for each.",
            Results,
            at_times=("Retry-After",),
            examples={"accepted": Results(results=[Taken(status=202, job=QUEUED)])},
        ),
        body=Body(Batch, {"two": {"jobs": [SUBMISSION, SUBMISSION | {"target_language": "fr"}]}}),
    )
    def submit_many(self) -> flask.Response:
        """Take each job that can be taken, and say of each what has become of it, in the order of the submissions."""
        flask.request.max_content_length = MAX_BODY_BYTES
        if idempotency_key() is not None:
            raise invalid("Idempotency-Key", "is for a single submission; give each of these a job_id")
        wanted = [self._judged(each) for each in _in_turns(_items(json_object()))]
        found = iter(self._store.create_many([each for each in wanted if isinstance(each, New)]))
        results = [_result(next(found) if isinstance(each, New) else each) for each in wanted]
        return answer(Results(results=results), MULTI_STATUS, _when_again(results))

    def _judged(self, item: Any) -> New | InvalidFieldsError:
        """Return the job to be made of a submission, or why none is."""
        if not isinstance(item, dict):
            return invalid("", "has to be an object")
        try:
            submission = Submission.parse(item, private=self._private, engines=self._engines, most_errors=MOST_ERRORS)
        except InvalidFieldsError as error:
            return error
        now = self._clock()
        job = submission.job(submission.job_id or new_job_id(now), client_id(), now)
        return New(job, submission.fingerprint, submission.course, flask.g.request_id)


def _items(fields: dict[str, Any]) -> list[Any]:
    """Return the submissions. Raises InvalidFieldsError unless the body has them and nothing else."""
    items = fields.pop("jobs", None)
    if not isinstance(items, list):
        raise invalid("/jobs", "has to be a list of submissions")
    if len(items) > MAX_JOBS:
        raise beyond("/jobs", "batch_jobs", MAX_JOBS, len(items))
    if fields:
        raise invalid(pointer(min(fields)), "there is no such field")
    return items


def _in_turns(items: list[Any]) -> Iterator[Any]:
    """Yield each item once the other requests of this process have had their turn."""
    for each in items:
        time.sleep(0)
        yield each


def _when_again(results: Iterable[Taken | Refused]) -> list[tuple[str, str]]:
    """Return the header that says when those may fare better that were refused for the moment, if some were."""
    problems = [cast("dict[str, Any]", each).get("problem", {}) for each in results]
    found = [each["retry_after_s"] for each in problems if "retry_after_s" in each]
    return [("Retry-After", str(max(found)))] if found else []


def _result(found: Created | DubqError) -> Taken | Refused:
    if isinstance(found, Created):
        return Taken(status=202 if found.is_new else 200, job=found.job.to_wire())
    problem = members(found, flask.g.request_id)
    return Refused(status=problem["status"], problem=problem)
