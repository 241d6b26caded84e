"""The commands about jobs. Each is a few calls of the client library."""

from contextlib import suppress
from itertools import islice
from typing import Any

import click

from contract.errors import JobNotFoundError, WaitTimeoutError
from contract.ids import is_job_id
from contract.job import Job, Priority
from contract.states import State

from . import watching
from .connecting import Service, on_service
from .exits import Exit, exit_of
from .progress import display
from .speech import Speech
from .values import Seconds, json_object, pairs
from .waits import Ended, best_way, news_of
from .words import description, outcome, standing, table

SUBMIT_S = 5.0
"""How long a submission is tried: enough for a service that is just being started again, bearable for a person."""
WAIT_S = 900.0

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
    help="How urgent it is (recorded; does not change the order yet).",
)
@click.option("--duration", "video_duration_s", type=Seconds(0, min_open=True), help="How long the video is.")
@click.option(
    "--metadata", multiple=True, callback=pairs, metavar="NAME=VALUE", help="A note of your own; may be repeated."
)
@click.option("--callback-url", metavar="URL", help="Where to send word of the end (recorded; not called yet).")
@click.option("--max-attempts", type=int, metavar="N", help="How often to try.")
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
    fields["metadata"] = fields["metadata"] or None
    with service.client() as client:
        job = client.submit(video_url, timeout=SUBMIT_S, **fields)
        if not waits:
            speech.result(job.to_wire(), job.job_id)
            speech.note(f"wait for it with: {service.wait_command(job.job_id)}")
            return
        speech.note(f"{job.job_id} accepted")
    _wait_for((job.job_id,), timeout_s, service, speech)


@click.command()
@click.argument("job_id", metavar="ID")
@on_service
def status(job_id: str, service: Service, speech: Speech) -> None:
    """Show the job ID as it is now."""
    with service.client() as client:
        job = client.get_status(job_id)
    speech.result(job.to_wire(), description(job))


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@timeout_option
@on_service
def wait(job_ids: tuple[str, ...], timeout_s: float, service: Service, speech: Speech) -> None:
    """Wait for jobs to end; show their progress, then how each of them has ended.

    With --json each job is a line of its own, in the order in which they end. Ctrl-C ends the waiting, not the jobs.
    """
    _wait_for(tuple(dict.fromkeys(job_ids)), timeout_s, service, speech)


def _wait_for(job_ids: tuple[str, ...], timeout_s: float, service: Service, speech: Speech) -> None:
    """Wait, show, and exit with what the worst of the jobs deserves."""
    left, statuses = list(job_ids), [Exit.DONE]
    try:
        with service.client() as client, display() as screen:
            # who cannot be reached now is not waited for; a job that is unknown says so in its own wait
            with suppress(JobNotFoundError):
                client.get_status(next(filter(is_job_id, job_ids), job_ids[0]))
            for news in news_of(best_way(client, timeout_s), job_ids):
                if isinstance(news, Job):
                    screen.show(news)
                    continue
                statuses.append(_tell_end(news, timeout_s, service, speech))
                left.remove(news.job_id)
    except KeyboardInterrupt:
        speech.note(
            f"\n{'The jobs go' if len(left) > 1 else 'The job goes'} on. Wait on with:\n  {service.wait_command(*left)}"
        )
        raise click.exceptions.Exit(Exit.INTERRUPTED) from None
    raise click.exceptions.Exit(max(statuses))


def _tell_end(ended: Ended, timeout_s: float, service: Service, speech: Speech) -> Exit:
    """Say how a wait has ended; return the status that it deserves."""
    if isinstance(ended.error, WaitTimeoutError):
        where = f"is {standing(ended.job)}" if ended.job else "has not been seen"
        text = f"{ended.job_id} {where} after {timeout_s:g} s and goes on"
        speech.error(WaitTimeoutError(text, job_id=ended.job_id, job=ended.job), Exit.TIMED_OUT)
        speech.note(f"wait on with: {service.wait_command(ended.job_id)}")
        return Exit.TIMED_OUT
    if ended.error or ended.job is None:
        error = ended.error or WaitTimeoutError(job_id=ended.job_id)
        speech.error(error, exit_of(error))
        return exit_of(error)
    speech.result(ended.job.to_wire(), outcome(ended.job))
    return Exit.DONE if ended.job.state is State.COMPLETED else Exit.FAILED


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
@click.option("--client", "client_id", metavar="ID", help="Only those of this client.")
@click.option("--state", type=click.Choice([each.value for each in State]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="So many at most.")
@on_service
def jobs(client_id: str | None, state: str | None, limit: int, service: Service, speech: Speech) -> None:
    """List jobs, newest first."""
    with service.client() as client:
        mine = (job for job in client.jobs(state=state) if client_id in (None, job.client_id))
        found = list(islice(mine, limit))
    speech.result({"jobs": [job.to_wire() for job in found]}, table(found) if found else "no jobs")


@click.command()
@click.option(
    "--every",
    "every_s",
    type=Seconds(0.2, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many of the newest.")
@on_service
def watch(every_s: float, limit: int, service: Service, speech: Speech) -> None:
    """Watch the newest jobs, live, until Ctrl-C.

    With --json, or without a terminal, each change that is seen is a line.
    """
    with service.client() as client:
        watching.watch(lambda: list(islice(client.jobs(), limit)), every_s, speech)
