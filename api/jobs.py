"""The routes under /jobs: parse, ask the store, answer."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from math import ceil
from os import urandom
from typing import Final

import flask
import redis
import structlog
from typing_extensions import TypedDict

from contract.addresses import Reach
from contract.engines import DEFAULT
from contract.errors import (
    FieldProblem,
    IllegalTransitionError,
    InvalidFieldsError,
    JobExistsError,
    JobNotFoundError,
)
from contract.ids import is_job_id, uuid7
from contract.job import Job
from contract.limits import TooManyQueuedError, TooManyStreamsError
from contract.states import State
from store.feed import News
from store.hub import Hub
from store.jobs import JobStore

from .answers import ACCEPTED, ALL_OF_IT, CANCELLED, COMPLETED, OF_A_JOB, QUEUED, RUNNING, SUBMISSION, the_job
from .caller import client_id
from .documents import JobDocument
from .incoming import Wait, idempotency_key, json_object, known_job_id, limit, parameters, wait_preferred
from .operations import Answer, Body, operation
from .outgoing import accepted, answer, document, job_answer, not_modified
from .parameters import IDEMPOTENCY_KEY, IDS, KNOWN, LISTED, MAX_IDS, MAX_PAGE, PAGE, PREFER_END, PREFER_WAIT
from .problems import MAX_ERRORS, beyond, invalid
from .schema import Submission
from .streams import ping_s, unfolding
from .waits import hold, outcome, spoken

HELD: Final = "held"
_FILTERS: Final = frozenset({"state", "target_language", "limit", "cursor"})


class JobsByName(TypedDict):
    """The jobs that were named, and of which of them there is none."""

    jobs: list[JobDocument]
    missing: list[str]


class JobPage(TypedDict):
    """Some jobs, newest first, and where the next of them are; null: these are the last."""

    jobs: list[JobDocument]
    next_cursor: str | None


class JobRoutes:
    """The jobs of whoever is asking, each for one of `engines`.

    `clock` returns aware UTC times in whole milliseconds; `hub` knows of news. `ping_s` gives the pace of pings for so
    many who are told by it; `private` are the networks that URLs may lead to besides public addresses. `known` is
    called when an answer that was held tells of a job's end.
    """

    def __init__(
        self,
        store: JobStore,
        clock: Callable[[], datetime],
        hub: Hub,
        *,
        ping_s: Callable[[int], float] = ping_s,
        engines: Sequence[str] = DEFAULT,
        private: Reach = Reach(),  # noqa: B008 - frozen
        known: Callable[[str, datetime | None], object] = lambda *_: None,
    ) -> None:
        self._store, self._clock, self._hub, self._ping_s = store, clock, hub, ping_s
        self._engines, self._private, self._known = engines, private, known

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/jobs", view_func=self.submit, methods=["POST"])
        app.add_url_rule("/jobs", view_func=self.read_many, methods=["GET"])
        app.add_url_rule("/jobs/<job_id>", view_func=self.read)
        app.add_url_rule("/jobs/<job_id>/cancel", view_func=self.cancel, methods=["POST"])
        app.add_url_rule("/jobs/<job_id>/reset", view_func=self.reset, methods=["POST"])

    @operation(
        ACCEPTED,
        the_job("This very submission has made it before; the job as it is now.", completed=COMPLETED),
        body=Body(Submission, {"least": SUBMISSION, "everything": ALL_OF_IT}),
        parameters=(IDEMPOTENCY_KEY, PREFER_END),
        errors=(JobExistsError, TooManyQueuedError),
    )
    def submit(self) -> flask.Response:
        """Take a job: 202, or 200 if this very submission has made it before; at its end if the caller prefers to wait.

        What was accepted stays so: whatever becomes of the wait, the answer is the job as far as it is known.
        """
        key, wait = idempotency_key(), wait_preferred()
        submission = Submission.parse(json_object(), private=self._private, engines=self._engines)
        now = self._clock()
        created = self._store.create(
            submission.job(submission.job_id or new_job_id(now), client_id(), now),
            fingerprint=submission.fingerprint,
            simulate=submission.course,
            idempotency_key=key,
            id_is_chosen=submission.job_id is not None,
            request_id=flask.g.request_id,
        )
        structlog.contextvars.bind_contextvars(job_id=created.job.job_id)
        write = accepted if created.is_new else job_answer
        if wait is None:
            return write(created.job)
        with suppress(redis.RedisError, JobNotFoundError, TooManyStreamsError):
            return self._hold(created.job.job_id, replace(wait, until_done=True, ping_s=None), write)
        return write(created.job)

    @operation(
        Answer(
            200,
            "The job as it is. An answer with pings begins before it is known, and so has the document alone.",
            JobDocument,
            at_times=("ETag", "Content-Location", "Retry-After", "Preference-Applied"),
            examples={"running": RUNNING, "completed": COMPLETED},
            links=OF_A_JOB,
        ),
        Answer(304, "It is as the caller knows it.", headers=("ETag",), at_times=("Retry-After", "Preference-Applied")),
        parameters=(PREFER_WAIT, KNOWN),
        errors=(JobNotFoundError,),
    )
    def read(self, job_id: str) -> flask.Response:
        """Answer with one job, held until there is news if the caller prefers that; 304 if it knows it as it is.

        Who has as many answers held as it may is answered at once: what one prefers is no demand.
        """
        job_id, wait = known_job_id(job_id), wait_preferred()
        if wait is not None:
            with suppress(TooManyStreamsError):
                return self._hold(job_id, wait, _as_it_is)
        return _as_it_is(self._store.read(job_id, client_id()))

    @operation(
        Answer(
            200,
            "With `ids` those jobs, and which of them are missing; else a page of the list.",
            JobsByName | JobPage,
            examples={
                "named": JobsByName(jobs=[RUNNING], missing=["talk-fr"]),
                "listed": JobPage(jobs=[QUEUED], next_cursor="1793611800000.talk-es"),
            },
        ),
        parameters=(IDS, *LISTED),
        errors=(InvalidFieldsError,),
    )
    def read_many(self) -> flask.Response:
        """Answer with the jobs that are named, or with a page of the list."""
        if "ids" in flask.request.args:
            return self._named(parameters({"ids"})["ids"])
        given = parameters(_FILTERS)
        page = self._store.list(
            client_id(),
            state=_state(given["state"]) if "state" in given else None,
            target_language=given.get("target_language"),
            limit=limit(given["limit"], MAX_PAGE) if "limit" in given else PAGE,
            cursor=given.get("cursor"),
        )
        return answer(JobPage(jobs=[job.to_wire() for job in page.jobs], next_cursor=page.next_cursor))

    @operation(
        the_job("The job, which stops within a second or two.", cancelled=CANCELLED),
        errors=(JobNotFoundError, IllegalTransitionError),
    )
    def cancel(self, job_id: str) -> flask.Response:
        """Ask a job to stop."""
        return job_answer(self._store.cancel(known_job_id(job_id), client_id()))

    @operation(ACCEPTED, errors=(JobNotFoundError, IllegalTransitionError, TooManyQueuedError))
    def reset(self, job_id: str) -> flask.Response:
        """Run a finished job again."""
        return accepted(self._store.reset(known_job_id(job_id), client_id(), request_id=flask.g.request_id))

    def _hold(self, job_id: str, wait: Wait, write: Callable[[Job], flask.Response]) -> flask.Response:
        """Answer once the job is done, or past what the caller knows of it; at the latest when the wait is over.

        Whoever wants to hear meanwhile that its line is there is answered at once, with a body that takes so long.
        """
        with ExitStack() as stack:
            waiter = stack.enter_context(self._hub.join(client_id(), job_id))
            read = partial(self._store.read, job_id, client_id())
            first, until_done = read(), wait.until_done
            # who does not say what it knows wants to hear of what comes after now
            known = first.seq if _knows(first) or not flask.request.if_none_match else None

            def is_enough(told: Job | News) -> bool:
                return told.done or (told.seq != known and not until_done)

            if wait.ping_s is None or is_enough(first):
                job = outcome(hold(waiter, first, read, is_enough, wait.seconds))
                if not first.done:
                    self._known(HELD, job.finished_at)
                response = write(job)
            else:
                ping_s = max(wait.ping_s, ceil(self._ping_s(self._hub.waiting)))
                wait = replace(wait, ping_s=ping_s)
                held = hold(waiter, first, read, is_enough, wait.seconds, ping_s=ping_s)
                response = unfolding(spoken(held, self._last_words), waiter, "application/json")
                stack.pop_all()
        response.headers["Preference-Applied"] = str(wait)
        return response

    def _last_words(self, job: Job) -> bytes:
        self._known(HELD, job.finished_at)
        return document(job)

    def _named(self, text: str) -> flask.Response:
        job_ids = _ids(text)
        jobs = self._store.read_many(job_ids, client_id())
        found = {job.job_id for job in jobs}
        missing = [job_id for job_id in job_ids if job_id not in found]
        return answer(JobsByName(jobs=[job.to_wire() for job in jobs], missing=missing))


def new_job_id(now: datetime) -> str:
    """Make an id for a job whose caller has chosen none."""
    return str(uuid7(int(now.timestamp() * 1000), urandom(10)))


def _as_it_is(job: Job) -> flask.Response:
    return not_modified(job) if _knows(job) else job_answer(job)


def _knows(job: Job) -> bool:
    """Whether the caller has said that it knows the job as it is."""
    asked = "HTTP_IF_NONE_MATCH" in flask.request.environ
    return asked and flask.request.if_none_match.contains_weak(str(job.seq))


def _ids(text: str) -> list[str]:
    """Return the ids of a comma-separated list, each once. Raises InvalidFieldsError."""
    job_ids = list(dict.fromkeys(text.split(",")))
    if len(job_ids) > MAX_IDS:
        raise beyond("ids", "ids", MAX_IDS, len(job_ids))
    wrong = [each for each in job_ids if not is_job_id(each)]
    if wrong:
        problems = [FieldProblem("ids", f"{each[:100]!r} is no job_id") for each in wrong[:MAX_ERRORS]]
        raise InvalidFieldsError(problems)
    return job_ids


def _state(text: str) -> State:
    if text not in set(State):
        raise invalid("state", f"has to be one of {', '.join(State)}")
    return State(text)
