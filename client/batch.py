"""Many submissions in one request: how they are packed, and what becomes of each. A plan, without I/O."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from contract.errors import DubqError, InternalError, ServiceUnavailableError
from contract.job import Job

from . import answers, http
from .steps import Pause, Plan, Send
from .waiting import LAST_TRY_S
from .watch import POLLS, Chance

MOST_JOBS: Final = 1000
"""The service takes no more at once."""
MOST_BODY_BYTES: Final = 1_000_000
"""The service takes eight times as many, but many a proxy only a mebibyte."""
CUT: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Statuses that speak of what was sent, and so perhaps only of a part of it."""

Outcome: TypeAlias = Job | DubqError
Parcel: TypeAlias = list[int]
"""What goes in one request: places in the list of submissions."""


class NotAllSubmittedError(DubqError):
    """Some submissions were refused or got no answer; the others were accepted, and go on.

    `jobs` and `errors` have one place for each submission, in the order given: its job or None, its error or None. An
    error has the `job_id`, with which the same submission can be sent once more at any time.
    """

    code = "not_all_submitted"
    title = "Not all jobs were submitted"

    def __init__(self, jobs: Sequence[Job | None], errors: Sequence[DubqError | None]) -> None:
        self.jobs, self.errors = tuple(jobs), tuple(errors)
        failures = [error for error in errors if error]
        super().__init__(
            f"{len(failures)} of {len(jobs)} jobs were not submitted; the first: {failures[0]}",
            job_id=failures[0].job_id,
        )


def submit_many(
    submissions: Sequence[http.Request[Job]],
    patience_s: float,
    request_timeout_s: float,
    at_s: float,
    chance: Chance,
) -> Plan[list[Job]]:
    """Plan to submit many jobs, given as what would submit each alone; return them in the order given.

    What got no usable answer is sent again, by itself and after a pause, until the patience is over: by their job_ids
    those that were made are found again. Raises NotAllSubmittedError.
    """
    return _Batch(submissions).send(at_s + patience_s, request_timeout_s, at_s, chance)


class _Batch:
    """The submissions, and what is known of each."""

    def __init__(self, submissions: Sequence[http.Request[Job]]) -> None:
        self._submissions = submissions
        late = ServiceUnavailableError("there was no time left to send it")
        self._outcomes: list[Outcome] = [_about(late, each) for each in submissions]

    def send(self, deadline_s: float, request_timeout_s: float, at_s: float, chance: Chance) -> Plan[list[Job]]:
        """Plan all of it."""
        fresh, failed, attempt, not_before_s = deque(self._parcels()), deque[Parcel](), 0, at_s
        while fresh or failed:
            is_retry = not fresh  # those that were not sent yet may fare better, and go first
            pause_s = not_before_s - at_s
            if is_retry:
                attempt += 1
                pause_s = max(pause_s, POLLS.pause_s(attempt, chance()))
            if pause_s > 0:
                at_s = (yield Pause(min(pause_s, deadline_s - at_s))).at_s
            parcel = (fresh or failed).popleft()
            within_s = min(request_timeout_s, max(deadline_s - at_s, LAST_TRY_S))
            reply = yield Send(request=self._request(parcel), within_s=within_s, is_retry=is_retry, insist=True)
            at_s, answer = reply.at_s, reply.answer
            again = self._learn(parcel, answer)
            if at_s >= deadline_s:
                break
            if len(parcel) > 1 and answer.error and answer.error.status in CUT:
                middle = len(parcel) // 2
                fresh.extendleft([parcel[middle:], parcel[:middle]])
            elif again:
                failed.append(again)
                not_before_s = at_s + answer.retry_after_s
            else:
                attempt = 0
        return _accepted(self._outcomes)

    def _parcels(self) -> Iterator[Parcel]:
        """Pack the submissions. One that has an Idempotency-Key goes alone: a batch has no place for it."""
        parcel: Parcel = []
        size = 0
        for place, submission in enumerate(self._submissions):
            if submission.headers:
                yield [place]
                continue
            bytes_more = len(json.dumps(submission.body)) + 2
            if parcel and (len(parcel) == MOST_JOBS or size + bytes_more > MOST_BODY_BYTES):
                yield parcel
                parcel, size = [], 0
            parcel.append(place)
            size += bytes_more
        if parcel:
            yield parcel

    def _request(self, parcel: Parcel) -> http.Request[Any]:
        submissions = [self._submissions[place] for place in parcel]
        return submissions[0] if submissions[0].headers else _together(submissions)

    def _learn(self, parcel: Parcel, answer: http.Answer[Any]) -> Parcel:
        """Take note of what has become of a parcel; return what of it may fare better later."""
        if answer.value is None:
            error = answer.error or ServiceUnavailableError("the service has said nothing")
            for place in parcel:
                self._outcomes[place] = _about(error, self._submissions[place])
            return parcel if answer.is_passing or not answer.error else []
        found = [answer.value] if isinstance(answer.value, Job) else answer.value
        for place, outcome in zip(parcel, found, strict=True):
            self._outcomes[place] = outcome
        return [place for place, outcome in zip(parcel, found, strict=True) if _is_passing(outcome)]


def _together(submissions: Sequence[http.Request[Job]]) -> http.Request[tuple[Outcome, ...]]:
    """Submit all of them at once."""

    def read(document: Any) -> tuple[Outcome, ...]:
        pairs = zip(document["results"], submissions, strict=True)
        return tuple(answers.submitted(result, submission) for result, submission in pairs)

    body = {"jobs": [submission.body for submission in submissions]}
    return http.Request(kind=http.Kind.SUBMIT_MANY, method="POST", path="/jobs/batch", read=read, body=body)


def _is_passing(outcome: Outcome) -> bool:
    is_fault = (outcome.status or 0) >= InternalError.status if isinstance(outcome, DubqError) else False
    return isinstance(outcome, DubqError) and (outcome.retryable or is_fault)


def _about(error: DubqError, submission: http.Request[Job]) -> DubqError:
    """Return the same error, as one that is about this submission."""
    kind = type(error)
    twin = kind.__new__(kind, *error.args)
    vars(twin).update(vars(error), job_id=submission.job_id)
    return twin


def _accepted(outcomes: Iterable[Outcome]) -> list[Job]:
    """Return the jobs, or raise NotAllSubmittedError where there is not one for each submission."""
    found = list(outcomes)
    jobs = [each for each in found if isinstance(each, Job)]
    if len(jobs) == len(found):
        return jobs
    raise NotAllSubmittedError(
        [each if isinstance(each, Job) else None for each in found],
        [each if isinstance(each, DubqError) else None for each in found],
    )
