"""The page's sections: all jobs, one job, and a form for new ones; and what their modules ask for besides the API."""

import shlex
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import flask
import redis

from api.caller import caller
from api.incoming import known_job_id, limit, parameters
from api.outgoing import answer
from contract.job import Priority
from contract.scenarios import SCENARIOS
from store.clients import Clients
from store.history import changes
from store.jobs import JobStore
from store.listing import Page
from store.outbox import Outbox
from store.overview import Overview

from .scope import FILTERS, Filter, all_clients, seen, whose
from .shell import Shell
from .timeline import Timeline, timeline
from .views import Row, facts, raw

FIRST: Final = 50
"""Jobs that are in the HTML, for whoever has no modules, and until they run."""
MOST: Final = 1000


class PageRoutes:
    """GET /, and what is under /page. `clock` returns aware UTC times; `engines` are those that jobs may name."""

    def __init__(
        self,
        shell: Shell,
        *,
        store: JobStore,
        outbox: Outbox,
        overview: Overview,
        clients: Clients,
        connection: redis.Redis,
        clock: Callable[[], datetime],
        engines: tuple[str, ...],
    ) -> None:
        self._shell, self._store, self._outbox, self._overview, self._clients = shell, store, outbox, overview, clients
        self._redis, self._clock, self._engines = connection, clock, engines
        add = shell.blueprint.add_url_rule
        shell.blueprint.add_url_rule("/", "jobs", self.jobs)
        add("/page/jobs", "list", self.listed)
        add("/page/jobs/<job_id>", "job", self.job)
        add("/page/jobs/<job_id>/timeline", "timeline", self.timeline)
        add("/page/submit", "submit", self.submit)

    def jobs(self) -> flask.Response:
        """Show the jobs."""
        args = flask.request.args
        wanted = Filter.of(args)
        client_ids = seen(self._clients, wanted.client)
        found = self._found(client_ids, wanted, FIRST, args.get("cursor"))
        now, everybody = self._clock(), all_clients(self._clients) if caller().is_admin else []
        return self._shell.render(
            "jobs.html",
            rows=[Row.of(job, now) for job in found.jobs],
            counts=self._overview.counts(client_ids),
            wanted=wanted,
            everybody=everybody if len(everybody) > 1 else [],
            events=_events(client_ids),
            older=f"/?{urlencode({**args, 'cursor': found.next_cursor})}" if found.next_cursor else None,
        )

    def listed(self) -> flask.Response:
        """Answer with the jobs that fit, newest first, and how many of all stand in each state."""
        given = parameters(FILTERS | {"limit", "cursor"})
        wanted = Filter.of(given)
        client_ids = seen(self._clients, wanted.client)
        found = self._found(client_ids, wanted, limit(given.get("limit", str(FIRST)), MOST), given.get("cursor"))
        jobs = [job.to_wire() for job in found.jobs]
        return answer({"jobs": jobs, "next_cursor": found.next_cursor, "counts": self._overview.counts(client_ids)})

    def job(self, job_id: str) -> flask.Response:
        """Show one job."""
        client_id = whose()
        job = self._store.read(known_job_id(job_id), client_id)
        now = self._clock()
        course = self._course(job_id, client_id)
        return self._shell.render(
            "job.html",
            job=job,
            row=Row.of(job, now),
            facts=facts(job),
            raw=raw(job),
            spans=course.drawn(round(now.timestamp() * 1000)),
            complete=course.complete,
            deliveries=self._outbox.of_job(job_id, client_id),
            events=f"/page/clients/{client_id}/jobs/{job_id}/events",
            commands=_commands(job_id, flask.request.host_url.rstrip("/")),
        )

    def timeline(self, job_id: str) -> flask.Response:
        """Answer with one job's course."""
        client_id = whose()
        return answer(self._course(known_job_id(job_id), client_id).to_wire())

    def submit(self) -> flask.Response:
        """Show the form for new jobs."""
        everybody = all_clients(self._clients) if caller().is_admin else []
        return self._shell.render(
            "submit.html",
            priorities=list(Priority),
            scenarios=[(each.name, each.does.replace("`", "")) for each in SCENARIOS.values()],
            engines=self._engines,
            everybody=everybody if len(everybody) > 1 else [],
        )

    def _found(self, client_ids: list[str], wanted: Filter, most: int, cursor: str | None) -> Page:
        return self._overview.page(client_ids, state=wanted.state, fits=wanted.fits, limit=most, cursor=cursor)

    def _course(self, job_id: str, client_id: str) -> Timeline:
        record = self._store.record(job_id, client_id)
        return timeline(changes(self._redis, record), self._outbox.of_job(job_id, client_id))


def _events(client_ids: list[str]) -> str:
    """Return the address of the stream that tells of all these clients' jobs."""
    return f"/page/clients/{client_ids[0]}/events" if len(client_ids) == 1 else "/page/events"


def _commands(job_id: str, url: str) -> dict[str, str]:
    """Return what waits for a job, in the shell and in Python."""
    python = (
        "from client import TranslationClient",
        "",
        f'with TranslationClient("{url}") as client:',
        f'    done = client.wait("{job_id}")',
    )
    words = ["--url", url, "--", job_id] if job_id.startswith("-") else [job_id, "--url", url]
    return {"shell": shlex.join(["dubq", "wait", *words]), "python": "\n".join(python)}
