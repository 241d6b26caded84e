"""What both drivers know of the roads on which news come, and say where there is none. No I/O."""

import importlib.util
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from contract.errors import DubqError
from contract.job import Job

from . import answers, http
from .ladder import Road
from .metrics import Metrics
from .patience import NoPushError
from .steps import Line

NO_REDIS_PACKAGE: Final = "being told by Redis needs the package redis: pip install 'dubq[push]'"
NO_ROAD: Final = "this service tells nobody by Redis: use client.wait or client.poll_status, or give redis_url"
NO_EVENTS: Final = "this service sends no events"


class ClientClosedError(DubqError):
    """The client was closed, by whoever owns it; the jobs go on."""

    code = "client_closed"
    title = "This client is closed"


class Map:
    """Who we are, where Redis is and whether there are events, as far as we have been told.

    Where the service gives us a user of Redis, its password is our `token`, which no answer repeats.
    """

    def __init__(self, redis_url: str | None, token: str | None = None) -> None:
        self._redis_url, self._token = redis_url, token
        self._client_id: str | None = None
        self._told: http.Roads | None = None

    def note(self, job: Job) -> None:
        """Learn from a job of ours who we are."""
        self._client_id = job.client_id

    def known(self, road: Road) -> http.Roads | None:
        """Return what needs no asking by whoever wants to take `road`."""
        if road is Road.REDIS and self._redis_url and self._client_id:  # also where asking was in vain before we knew
            return http.Roads(client_id=self._client_id, redis_url=self._redis_url)
        return self._told

    def learn(self, answer: http.Answer[http.Roads]) -> http.Answer[http.Roads]:
        """Take note of what the service has answered; return what that means for us."""
        answer = answers.roads(answer)
        if answer.value is None:
            return answer
        self._told = answer.value
        if self._redis_url and answer.value.is_certain:
            self._told = replace(answer.value, redis_url=self._redis_url)
        elif answer.value.redis_url and self._token:
            self._told = replace(answer.value, redis_url=with_password(answer.value.redis_url, self._token))
        return http.Answer(value=self._told)


def with_password(redis_url: str, password: str) -> str:
    """Return the URL with the password of the user in it, unless there is none in it, or its password is."""
    scheme, slashes, rest = redis_url.partition("://")
    login, at, place = rest.partition("@")
    if not at or not login or set(login) & {":", "/", "?"}:
        return redis_url
    return f"{scheme}{slashes}{login}:{quote(password, safe='')}@{place}"


@cache
def has_redis() -> bool:
    """Whether the redis package, which pushing needs, is installed."""
    return importlib.util.find_spec("redis") is not None


def no_line(reason: str) -> tuple[http.Answer[Any], Line]:
    """Say that there is no line, and never will be."""
    return http.Answer(error=NoPushError(reason), is_passing=True), Line.NONE


def no_redis_at(error: ValueError) -> tuple[http.Answer[Any], Line]:
    """Say that what should be the address of Redis is none."""
    return no_line(f"the address of Redis cannot be used: {error}")


def channels(found: http.Roads, job_ids: Iterable[str]) -> list[str]:
    """Return the channels on which the changes of these jobs are published."""
    return [http.channel(found.client_id, job_id) for job_id in job_ids]


def count_ends(value: Any, metrics: Metrics, now: datetime) -> None:
    """Note of each job in an answer's value that has ended that it is known now."""
    for job in value if isinstance(value, tuple) else (value,):
        if isinstance(job, Job) and job.done:
            metrics.count_knowing(job, now)


def pushed(message: bytes | Job, job_ids: Collection[str]) -> http.Answer[Job]:
    """Read a message; what is about others' jobs, as a stream about all of the caller's may be, is no news."""
    job = message if isinstance(message, Job) else answers.job_of(answers.document(message))
    return http.Answer(value=job if job and job.job_id in job_ids else None)
