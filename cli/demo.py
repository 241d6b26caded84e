"""`dubq demo`: the whole service in half a minute, and what being told is worth beside asking."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Final

import click

from client import TranslationClient
from contract.job import Job
from contract.states import State

from .demo_report import ACTS, Act, Row, document, words
from .exits import Exit
from .ground import Wish
from .progress import Display, Lines, display
from .service import Service
from .side_by_side import Ended, Wait, news_of
from .speech import Speech, json_option
from .stops import Stops

TIMEOUT_S: Final = 40.0
DRAIN_S: Final = 1.0
CANCELLED_IN: Final = "transcribe"


@click.command()
@json_option
def demo(speech: Speech) -> None:
    """See the whole service work: Valkey, the API and workers are started, real jobs go through them.

    Each job is there twice: one is waited for by being told over Redis, its twin by asking over HTTP.
    """
    wish = Wish(env=_environment(os.environ), port=0, workers=1, drain_s=DRAIN_S)
    began_s = time.monotonic()
    with speech.reporting(), Stops() as stops:
        speech.note("starting Valkey, the API and a worker …")
        with Service(wish, _say_nothing, stops) as service:
            url = service.ground.url
            speech.note(f"up at {url} after {time.monotonic() - began_s:.1f} s; submitting {len(ACTS)} jobs, twice")
            stops.interrupts = True
            rows = perform(url, service.ground.redis_url, as_json=speech.as_json)
            stops.interrupts = False
        speech.result(document(rows), words(rows))
        speech.note(f"everything is stopped again, {time.monotonic() - began_s:.0f} s after the start")
    if any(row.job.state is not row.act.end for row in rows):
        raise click.exceptions.Exit(Exit.FAILED)


def perform(url: str, redis_url: str, *, as_json: bool) -> list[Row]:
    """Submit every act twice, wait for both in their ways, and show it all as it happens."""
    # each with a client of its own, whose counts are then those of the waiting alone
    stage, told, asking = (TranslationClient(url, redis_url=redis_url) for _ in range(3))
    with stage, told, asking:
        pairs = [(act, _submit(stage, act, "told"), _submit(stage, act, "asking")) for act in ACTS]
        told_ids = {job.job_id for _, job, _ in pairs}

        def wait(job_id: str, tell: Callable[[Job], object]) -> Job:
            road = told.subscribe if job_id in told_ids else asking.poll_status
            return road(job_id, on_update=tell, timeout=TIMEOUT_S, raise_on_failure=False)

        with display(Lines(), as_json=as_json) as screen:
            for job in (*(job for _, job, _ in pairs), *(job for _, _, job in pairs)):
                screen.show(job)
            unwanted = {job.job_id: twin.job_id for act, job, twin in pairs if act.end is State.CANCELLED}
            ends = _follow(
                wait, [job.job_id for _, *jobs in pairs for job in jobs], screen, _canceller(stage, unwanted)
            )
        return [
            Row(act, ends[job.job_id], told.metrics.jobs[job.job_id], asking.metrics.jobs[twin.job_id])
            for act, job, twin in pairs
        ]


def _submit(client: TranslationClient, act: Act, way: str) -> Job:
    return client.submit(
        "https://example.com/videos/talk.mp4",
        title=f"{way:<7} {act.title}",
        target_language=act.language,
        simulate=act.simulate,
    )


def _canceller(client: TranslationClient, unwanted: Mapping[str, str]) -> Callable[[Job], None]:
    """Return what cancels an unwanted job and its twin, once the job is well under way."""
    cancelled: set[str] = set()

    def look(job: Job) -> None:
        if job.stage == CANCELLED_IN and job.job_id in unwanted and job.job_id not in cancelled:
            cancelled.add(job.job_id)
            client.cancel(job.job_id)
            client.cancel(unwanted[job.job_id])

    return look


def _follow(wait: Wait, job_ids: list[str], screen: Display, look: Callable[[Job], None]) -> dict[str, Job]:
    """Wait for all jobs and show their news; return them in their ends. Raises what keeps a wait from its end."""
    ends: dict[str, Job] = {}
    for news in news_of(wait, job_ids):
        if isinstance(news, Ended):
            if news.error or news.job is None:
                raise news.error or AssertionError(news)
            ends[news.job_id] = news.job
        else:
            screen.show(news)
            look(news)
    return ends


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings of ours: a demonstration is the same everywhere."""
    return {name: value for name, value in env.items() if not name.startswith("DUBQ_")}


def _say_nothing(_words: str) -> None:
    """Keep the logs off the screen: what fails in a demonstration fails on purpose, and is seen in its job."""
