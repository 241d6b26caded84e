"""`dubq clock`, `odds`, `outage` and `engines`: the simulator's time and weather, and what can stand in its place."""

import os
from dataclasses import asdict
from typing import Any

import click

from client import PlayedOutage, SimulatedClock
from contract import engines as names
from contract.clock import FASTEST, LONGEST_S, SLOWEST
from contract.job import to_rfc3339
from contract.settings import Environment
from worker.engines import installed

from .connecting import Service, on_service, on_service_as_admin
from .speech import Speech, json_option
from .values import Seconds
from .words import columns


@click.command()
@click.option("--freeze", is_flag=True, help="Let it stand still.")
@click.option("--advance", "advance_s", type=Seconds(0, LONGEST_S), help="Put it forward.")
@click.option("--speed", type=click.FloatRange(SLOWEST, FASTEST), help="Let it go so many times as fast; 1 goes on.")
@click.option("--reset", is_flag=True, help="Begin your simulated world anew: your jobs are forgotten, too.")
@on_service
def clock(
    *, freeze: bool, advance_s: float | None, speed: float | None, reset: bool, service: Service, speech: Speech
) -> None:
    """Show or move the clock that your simulated jobs live by."""
    if sum((freeze, reset, advance_s is not None, speed is not None)) > 1:
        raise click.UsageError("one of --freeze, --advance, --speed and --reset at a time")
    with service.client() as client:
        if reset:
            client.simulator.reset()
        if freeze:
            found = client.simulator.freeze()
        elif advance_s is not None:
            found = client.simulator.advance(advance_s)
        elif speed is not None:
            found = client.simulator.speed(speed)
        else:
            found = client.simulator.clock()
    speech.result(asdict(found) | {"now": to_rfc3339(found.now)}, of_clock(found))


def of_clock(found: SimulatedClock) -> str:
    """Return in words what a clock shows."""
    pace = "frozen" if found.frozen else f"at speed {found.speed:g}"
    ahead_s = round(found.ahead_s, 1)  # who asks a frozen clock does so some milliseconds later
    where = f"{abs(ahead_s):g} s {'ahead of' if ahead_s > 0 else 'behind'}" if ahead_s else "at"
    return f"{to_rfc3339(found.now)}, {pace}, {where} real time"


@click.command()
@click.argument("error_rate", required=False, type=click.FloatRange(0, 1))
@click.option("--reset", is_flag=True, help="Have them fail as often as the workers were told.")
@on_service
def odds(*, error_rate: float | None, reset: bool, service: Service, speech: Speech) -> None:
    """Show or set how often your simulated jobs fail, from 0 to 1: those that ask for no course of their own."""
    if reset and error_rate is not None:
        raise click.UsageError("either an ERROR_RATE or --reset")
    with service.client() as client:
        simulator = client.simulator
        found = simulator.set_odds(error_rate) if reset or error_rate is not None else simulator.odds()
    rate = found.error_rate
    speech.result(asdict(found), "as the workers were told" if rate is None else f"{rate:.4g}")


@click.command()
@click.argument("kind", required=False, type=click.Choice(["unavailable", "dropped", "slow"]))
@click.option("--for", "for_s", type=Seconds(0.001, 86_400), default=60.0, show_default=True, help="How long.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), help="Of how many requests. [default: all]")
@click.option("--latency", metavar="LAW", help="How slow, as in uniform:1:3.")
@click.option("--end", "ends", is_flag=True, help="End it before its time.")
@on_service_as_admin
def outage(
    *,
    kind: str | None,
    for_s: float,
    share: float | None,
    latency: str | None,
    ends: bool,
    service: Service,
    speech: Speech,
) -> None:
    """Show the outage that the service plays, begin one of a KIND, or --end it.

    The service has to allow that, by DUBQ_SIM_OUTAGES=on; if it asks for tokens, it takes the admin's.
    """
    if ends and kind:
        raise click.UsageError("either a KIND or --end")
    with service.client() as client:
        if ends:
            found = client.simulator.end_outage()
        elif kind:
            found = client.simulator.begin_outage(kind, for_s, share=share, latency=latency)
        else:
            found = client.simulator.outage()
    speech.result(asdict(found), _of_outage(found))


def _of_outage(found: PlayedOutage) -> str:
    if found.kind is None:
        return "no outage"
    return f"{found.kind} for {found.left_s:.3g} s more, {found.share:.0%} of the requests"


@click.command()
@json_option
def engines(speech: Speech) -> None:
    """List the engines that are installed here, and those that DUBQ_ENGINE chooses."""
    with speech.reporting():
        env = Environment(os.environ)
        chosen = env.read("DUBQ_ENGINE", names.DEFAULT, names.parse)
        env.check()
        found = [_described(name, chosen) for name in sorted({names.SIMULATOR, *installed(), *chosen})]
        rows = [("ENGINE", "FROM", "CHOSEN")]
        rows += [(each["name"], each["from"] or "not installed", each["chosen"]) for each in found]
        speech.result({"engines": found}, columns(rows))


def _described(name: str, chosen: tuple[str, ...]) -> dict[str, Any]:
    entry = installed().get(name)
    origin = f"{entry.dist.name} {entry.dist.version}" if entry and entry.dist else None
    if name == names.SIMULATOR:
        origin = "dubq"
    elif ":" in name:
        origin = "the Python path"
    role = "" if name not in chosen else "by default" if name == chosen[0] else "by name"
    return {"name": name, "from": origin, "chosen": role}
