"""The commands about jobs. Each is a few calls of the client library."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click

from client import TranslationClient
from contract.errors import DubqError, ServiceUnavailableError
from contract.ids import uuid7
from contract.job import Job, Priority
from contract.states import State

from .connecting import Service, on_service
from .exits import Exit
from .progress import Lines, Silence, display
from .speech import Speech
from .values import Seconds, job_id_of, json_object, pairs
from .waits import Waiting, look_first, wait_for_all
from .watching import Watching
from .watching import watch as show
from .words import description, outcome, standing, table

SUBMIT_S = 5.0
"""How long a submission is tried: enough for a service that is just being started again, bearable for a person."""
WAIT_S = 900.0
NAMED = 10
"""How many unfinished jobs are told of in words."""

timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=Seconds(0, 10**7),
    default=WAIT_S,
    show_default=True,
    help="Seconds to wait for the end. The job itself goes on.",
)


@click.command()
@click.argument("video_url", metavar="URL")
@click.option(
    "--to", "target_language", required=True, metavar="LANGUAGE", help="The language to translate to, as in es."
)
@click.option(
    "--from", "source_language", metavar="LANGUAGE", help="The language that is spoken. Recognised if left out."
)
@click.option("--title", help="What to call it.")
@click.option("--job-id", metavar="ID", help="Choose the job's id: submitting the same again then makes no second job.")
@click.option(
    "--priority",
    type=click.Choice([each.value for each in Priority]),
    help="How urgent it is: high goes before default, default before low, and none waits for ever.",
)
@click.option("--duration", "video_duration_s", type=Seconds(0.001), help="How long the video is.")
@click.option(
    "--metadata", multiple=True, callback=pairs, metavar="NAME=VALUE", help="A note of your own; may be repeated."
)
@click.option("--callback-url", metavar="URL", help="Where to send word of the end.")
@click.option("--max-attempts", type=int, metavar="N", help="How often to try.")
@click.option("--engine", metavar="NAME", help="Which of the service's engines shall do it.")
@click.option(
    "--simulate", callback=json_object, metavar="JSON", help="""The course to simulate: '{"duration_s": 3}'."""
)
@click.option("--wait", "waits", is_flag=True, help="Wait for the end, and show the progress.")
@timeout_option
@on_service
def submit(*, service: Service, speech: Speech, waits: bool, timeout_s: float, video_url: str, **fields: Any) -> None:
    """Submit the video at URL for translation.

    Prints the job's id, or with --wait how the job has ended.
    """
    # chosen here, so that it is known also to whom the answer does not reach
    fields["job_id"] = fields["job_id"] or str(uuid7(time.time_ns() // 10**6, os.urandom(10)))
    fields["metadata"] = fields["metadata"] or None
    with service.client() as client:
        try:
            job = client.submit(video_url, timeout=SUBMIT_S, **fields)
        except (KeyboardInterrupt, ServiceUnavailableError):
            job_id = fields["job_id"]
            speech.note(f"submitted again with --job-id {job_id}, it is still one job")
            speech.note(f"if it was accepted, wait for it with: {service.wait_command(job_id)}")
            raise
        if not waits:
            speech.result(job.to_wire(), job.job_id)
            speech.note(f"wait for it with: {service.wait_command(job.job_id)}")
            return
        speech.note(f"{job.job_id} accepted")
        waiting = Waiting([job.job_id], _teller(speech))
        waiting.note(job)
        with _able_to_wait_on(waiting, service, speech):
            _wait(client, waiting, timeout_s, speech)


@click.command()
@click.argument("job_id", metavar="ID")
@on_service
def status(job_id: str, service: Service, speech: Speech) -> None:
    """Show the job ID as it is now."""
    with service.client() as client:
        job = client.get_status(job_id)
    speech.result(job.to_wire(), description(job))


@click.command()
@click.argument("texts", metavar="ID...", nargs=-1, required=True)
@timeout_option
@on_service
def wait(texts: tuple[str, ...], timeout_s: float, service: Service, speech: Speech) -> None:
    """Wait for jobs to end, given by ids or resume tokens; show their progress, then how each of them has ended.

    Of several jobs, the one with the highest exit status decides. With --json each job is a line of its own, written
    when it ends: its document, or the error that keeps its end from being known. Ctrl-C ends the waiting, not the jobs.
    """
    waiting = Waiting((), _teller(speech))
    for text in texts:
        try:
            waiting.left[job_id_of(text)] = None
        except DubqError as error:
            waiting.lose(error)
    with _able_to_wait_on(waiting, service, speech), service.client() as client:
        look_first(client, waiting)
        _wait(client, waiting, timeout_s, speech)


def _wait(client: TranslationClient, waiting: Waiting, timeout_s: float, speech: Speech) -> None:
    """Show and tell until all have ended or the time is over."""
    with display(Silence() if len(waiting.left) > 1 else Lines(), as_json=speech.as_json) as screen:
        for job in filter(None, waiting.left.values()):
            screen.show(job)
        wait_for_all(client, waiting, timeout_s, screen.show)
    unfinished = waiting.time_out(timeout_s)
    named = unfinished if speech.as_json else unfinished[:NAMED]
    for error in named:
        speech.error(error, Exit.TIMED_OUT)
    if len(unfinished) > len(named):
        speech.note(f"and {len(unfinished) - len(named)} more")


def _teller(speech: Speech) -> Callable[[Job | DubqError, Exit], None]:
    def tell(found: Job | DubqError, status: Exit) -> None:
        if isinstance(found, Job):
            speech.result(found.to_wire(), outcome(found))
        else:
            speech.error(found, status)

    return tell


@contextmanager
def _able_to_wait_on(waiting: Waiting, service: Service, speech: Speech) -> Iterator[None]:
    """Exit with what the waiting within deserves; if it ends too early, print the command that waits on."""
    status = Exit.INTERRUPTED
    try:
        yield
        status = waiting.status
    except KeyboardInterrupt:
        speech.note("")  # the terminal has written ^C
    if waiting.left:
        goes_on = "The jobs go" if len(waiting.left) > 1 else "The job goes"
        speech.note(f"{goes_on} on. Wait on with:\n  {service.wait_command(*waiting.left)}")
    raise click.exceptions.Exit(status)


@click.command()
@click.argument("job_id", metavar="ID")
@on_service
def cancel(job_id: str, service: Service, speech: Speech) -> None:
    """Ask the job ID to stop. A running one stops within a second or two."""
    with service.client() as client:
        job = client.cancel(job_id)
    speech.result(job.to_wire(), f"{job_id} {'is cancelled' if job.done else 'is asked to stop'}")


@click.command()
@click.argument("job_id", metavar="ID")
@on_service
def reset(job_id: str, service: Service, speech: Speech) -> None:
    """Run the finished job ID again from the start."""
    with service.client() as client:
        job = client.reset(job_id)
    speech.result(job.to_wire(), f"{job_id} is {standing(job)}")
    speech.note(f"wait for it with: {service.wait_command(job_id)}")


@click.command()
@click.option("--client", "client_id", metavar="ID", help="Those of this client; for the admin.")
@click.option("--state", type=click.Choice([each.value for each in State]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="So many at most.")
@on_service
def jobs(client_id: str | None, state: str | None, limit: int, service: Service, speech: Speech) -> None:
    """List jobs, newest first."""
    with service.client(client_id) as client:
        found = list(islice(client.jobs(state=state), limit))
    speech.result({"jobs": [job.to_wire() for job in found]}, table(found) if found else "no jobs")


@click.command()
@click.option(
    "--every",
    "every_s",
    type=Seconds(0.05, 3600),
    default=5.0,
    show_default=True,
    help="Seconds between two looks for new jobs. What happens to those that are known is seen at once.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many of the newest.")
@on_service
def watch(every_s: float, limit: int, service: Service, speech: Speech) -> None:
    """Watch the newest jobs, live, until Ctrl-C.

    With --json, or without a terminal, each change that is seen is a line.
    """
    with service.client() as client:
        watching = Watching(client, limit)
        waiting = Waiting((), _teller(speech))
        with _able_to_wait_on(waiting, service, speech):
            try:
                show(watching, every_s, speech)
            finally:
                waiting.left = {job.job_id: job for job in watching.jobs if not job.done}
