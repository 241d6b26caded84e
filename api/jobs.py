"""The routes under /jobs: parse, ask the store, answer."""

from collections.abc import Callable
from datetime import datetime
from os import urandom
from typing import Final

import flask

from contract.errors import FieldProblem, InvalidFieldsError
from contract.ids import is_job_id, uuid7
from contract.states import State
from store.jobs import JobStore

from .caller import client_id
from .incoming import idempotency_key, json_object, known_job_id, parameters
from .outgoing import accepted, answer, job_answer, not_modified
from .problems import MAX_ERRORS, invalid
from .schema import Submission

MAX_IDS: Final = 1000
MAX_PAGE: Final = 1000
PAGE: Final = 50
_FILTERS: Final = frozenset({"state", "target_language", "limit", "cursor"})


class JobRoutes:
    """The jobs of whoever is asking. `clock` returns aware UTC times in whole milliseconds."""

    def __init__(self, store: JobStore, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    def mount(self, app: flask.Flask) -> None:
        """Put the routes into `app`."""
        app.add_url_rule("/jobs", view_func=self.submit, methods=["POST"])
        app.add_url_rule("/jobs", view_func=self.read_many, methods=["GET"])
        app.add_url_rule("/jobs/<job_id>", view_func=self.read)
        app.add_url_rule("/jobs/<job_id>/cancel", view_func=self.cancel, methods=["POST"])
        app.add_url_rule("/jobs/<job_id>/reset", view_func=self.reset, methods=["POST"])

    def submit(self) -> flask.Response:
        """Take a job: 202, or 200 if this very submission has made it before."""
        key = idempotency_key()
        submission = Submission.parse(json_object())
        now = self._clock()
        created = self._store.create(
            submission.job(submission.job_id or new_job_id(now), client_id(), now),
            fingerprint=submission.fingerprint,
            simulate=submission.course,
            idempotency_key=key,
            id_is_chosen=submission.job_id is not None,
        )
        return accepted(created.job) if created.is_new else job_answer(created.job)

    def read(self, job_id: str) -> flask.Response:
        """Answer with one job; 304 if the caller knows it as it is."""
        job = self._store.read(known_job_id(job_id), client_id())
        known = flask.request.if_none_match
        return not_modified(job) if known.contains_weak(str(job.seq)) else job_answer(job)

    def read_many(self) -> flask.Response:
        """Answer with the jobs that are named, or with a page of the list."""
        if "ids" in flask.request.args:
            return self._named(parameters({"ids"})["ids"])
        given = parameters(_FILTERS)
        page = self._store.list(
            client_id(),
            state=_state(given["state"]) if "state" in given else None,
            target_language=given.get("target_language"),
            limit=_limit(given["limit"]) if "limit" in given else PAGE,
            cursor=given.get("cursor"),
        )
        return answer({"jobs": [job.to_wire() for job in page.jobs], "next_cursor": page.next_cursor})

    def cancel(self, job_id: str) -> flask.Response:
        """Ask a job to stop."""
        return job_answer(self._store.cancel(known_job_id(job_id), client_id()))

    def reset(self, job_id: str) -> flask.Response:
        """Run a finished job again."""
        return accepted(self._store.reset(known_job_id(job_id), client_id()))

    def _named(self, text: str) -> flask.Response:
        job_ids = _ids(text)
        jobs = self._store.read_many(job_ids, client_id())
        found = {job.job_id for job in jobs}
        missing = [job_id for job_id in job_ids if job_id not in found]
        return answer({"jobs": [job.to_wire() for job in jobs], "missing": missing})


def new_job_id(now: datetime) -> str:
    """Make an id for a job whose caller has chosen none."""
    return str(uuid7(int(now.timestamp() * 1000), urandom(10)))


def _ids(text: str) -> list[str]:
    """Return the ids of a comma-separated list, each once. Raises InvalidFieldsError."""
    job_ids = list(dict.fromkeys(text.split(",")))
    if len(job_ids) > MAX_IDS:
        raise invalid("ids", f"{MAX_IDS} at most, not {len(job_ids)}")
    wrong = [each for each in job_ids if not is_job_id(each)]
    if wrong:
        problems = [FieldProblem("ids", f"{each[:100]!r} is no job_id") for each in wrong[:MAX_ERRORS]]
        raise InvalidFieldsError(problems)
    return job_ids


def _state(text: str) -> State:
    if text not in set(State):
        raise invalid("state", f"has to be one of {', '.join(State)}")
    return State(text)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PAGE)) and 1 <= int(text) <= MAX_PAGE):
        raise invalid("limit", f"has to be a whole number from 1 to {MAX_PAGE}")
    return int(text)
