"""`dubq play`: plays a recorded day against a service, as fast as one likes."""

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from client import ManyTimeoutError, TranslationClient
from contract.clock import FASTEST, SLOWEST

from .connecting import Service, on_service
from .day import Arrival, Day, Strike
from .exits import BadValueError, Exit
from .speech import Speech
from .values import Seconds
from .words import counted, counts

INSIST_S: Final = 300.0
"""For so long a submission is tried: an outage of the day's own is to be expected."""


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--speed", type=click.FloatRange(SLOWEST, FASTEST), help="So many of its seconds in one.")
@click.option("--reset", "resets", is_flag=True, help="Begin your simulated world anew first: your jobs are forgotten.")
@click.option("--timeout", "timeout_s", type=Seconds(0, 10**7), default=60.0, show_default=True,
              help="Seconds to wait for the last jobs' ends, once all were submitted.")  # fmt: skip
@on_service
def play(*, file: Path, speed: float | None, resets: bool, timeout_s: float, service: Service, speech: Speech) -> None:
    """Play the day that FILE describes: its jobs arrive, and its outages come, at their times, only faster.

    FILE is JSON: see docs/how-to/simulator.md. Your simulated clock goes at that speed meanwhile, and as real time
    afterwards. Exits with 4 if some jobs have not ended, else with 0 however they did.
    """
    try:
        day = Day.parse(file.read_text("utf-8"))
    except UnicodeDecodeError:
        raise BadValueError(f"{file} is not UTF-8 text") from None
    day = replace(day, speed=speed or day.speed)
    with service.client() as client:
        if resets:
            client.simulator.reset()
        client.simulator.speed(day.speed)
        try:
            job_ids = _act(client, day, speech)
            found = _ends(client, job_ids, timeout_s)
        finally:
            client.simulator.speed(1)
    states = Counter(found)
    speech.result({"jobs": len(job_ids), "states": dict(states)}, counts(found) if found else "no jobs")
    if not all(state in {"completed", "error", "cancelled"} for state in states):
        raise click.exceptions.Exit(Exit.TIMED_OUT)


def _act(client: TranslationClient, day: Day, speech: Speech) -> list[str]:
    """Have everything happen at its time; return the jobs' ids."""
    began_s, job_ids = time.monotonic(), []
    for at_s, happens in day.moments():
        time.sleep(max(0.0, began_s + at_s / day.speed - time.monotonic()))
        for strike in (each for each in happens if isinstance(each, Strike)):
            client.simulator.begin_outage(
                strike.kind, strike.for_s / day.speed, share=strike.share, latency=strike.latency
            )
            speech.note(f"{_clock(at_s)}  {strike.kind} for {strike.for_s:g} s")
        arrivals = [each.submission for each in happens if isinstance(each, Arrival)]
        if arrivals:
            job_ids += [job.job_id for job in client.submit_many(arrivals, timeout=INSIST_S)]
            speech.note(f"{_clock(at_s)}  {counted(len(arrivals), 'job')}")
    return job_ids


def _ends(client: TranslationClient, job_ids: list[str], timeout_s: float) -> list[str]:
    """Wait for the jobs' ends; return the states that they are in then."""
    try:
        jobs = client.wait_all(job_ids, timeout=timeout_s) if job_ids else {}
    except ManyTimeoutError as error:
        jobs = error.jobs
    return [str(job.state) for job in jobs.values()]


def _clock(at_s: float) -> str:
    minutes, seconds = divmod(int(at_s), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
