"""`dubq up`, `stop` and `server-status`: the whole service on this machine."""

import os
import signal
from pathlib import Path
from typing import Any, Final

import click
import redis

from contract.errors import WaitTimeoutError

from . import parts, readiness
from .exits import Exit, NotRunningError
from .ground import Wish, left, stop_command, without_password
from .leftovers import clean_up
from .processes import Mark, await_end, members
from .runtime import Notice, Runtime
from .service import END_S, ORPHAN, Service
from .speech import Speech, json_option
from .stops import Stops
from .values import Seconds
from .words import counted

_READY: Final = ("ok", "degraded")
"""What /readyz says of a service that would work on a job."""

PORT = click.IntRange(0, 65535)
port_option = click.option("--port", type=PORT, default=5000, show_default=True, help="Where the API is.")


@click.command()
@click.option(
    "--port",
    type=PORT,
    default=5000,
    show_default=True,
    help="Where the API shall be; 0: anywhere.",
)
@click.option("--workers", type=click.IntRange(0, 256), default=1, show_default=True, help="Worker processes.")
@click.option("--stock", is_flag=True, help="RQ's own workers: one job at a time each, in a process of its own.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Keep the jobs in this folder over a restart."
)
@click.option("--drain", "drain_s", type=Seconds(0, 86_400), default=20.0, show_default=True,
              help="Seconds that running jobs are given to end when the service stops.")  # fmt: skip
@json_option
def up(*, port: int, workers: int, stock: bool, data: Path | None, drain_s: float, speech: Speech) -> None:
    """Run the whole service in the foreground: an embedded Valkey, the API and workers.

    Ctrl-C ends it: running jobs are finished first, or go back into the queue when the time for that is over; a second
    Ctrl-C sends them there at once. A worker has up to DUBQ_SLOTS jobs under way at the same time.
    DUBQ_REDIS_URL names a Redis to be used instead of the embedded one; DUBQ_SIM_… and DUBQ_LOG_… are passed on.
    """
    wish = Wish(env=os.environ, port=port, workers=workers, stock=stock, data=data, drain_s=drain_s)
    with speech.reporting(), Stops() as stops:
        with Service(wish, speech.note, stops) as service:
            speech.result(_coordinates(service), _greeting(service, wish))
            service.watch()
        speech.note("stopped")


def _coordinates(service: Service) -> dict[str, Any]:
    ground = service.ground
    found = {"url": ground.url, "port": ground.port, "redis_url": ground.redis_url, "logs": str(ground.logs)}
    return {**found, "data": str(ground.data) if ground.data else None, "pid": os.getpid()}


def _greeting(service: Service, wish: Wish) -> str:
    ground = service.ground
    options = "" if ground.port == 5000 else f" --url {ground.url}"  # noqa: PLR2004 - the port that is taken to be meant
    kept = f"kept in {ground.data}" if wish.data else "forgotten at the end (--data DIR keeps them)"
    lines = [
        f"dubq is up at {ground.url}",
        f"  Redis    {without_password(ground.redis_url)}",
        f"  workers  {wish.workers}",
        f"  jobs     {kept if ground.data else 'kept by that Redis'}",
        f"  logs     {ground.logs}",
        "Try, in another terminal:",
        f"  dubq submit https://example.com/talk.mp4 --to es --wait{options}",
        f"  dubq watch{options}",
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines)


@click.command()
@port_option
@click.option(
    "--timeout",
    "timeout_s",
    type=Seconds(0),
    help="Seconds to wait for its end. [default: its own drain time, and some]",
)
@json_option
def stop(port: int, timeout_s: float | None, speech: Speech) -> None:
    """End the service that `dubq up` runs on a port, and wait until it has ended.

    What a killed service has left behind is ended too.
    """
    with speech.reporting(), Runtime.of_user(os.environ) as runtime:
        notice = _notice(runtime, port)
        supervisor = notice.supervisor.process()
        if supervisor is None:
            ended = _clear(runtime, notice)
            speech.result({"port": port, "ended": ended}, f"the service was killed before; {left(ended)}")
            return
        speech.note(f"ending the service on port {port}{_time_left(notice)}")
        supervisor.send_signal(signal.SIGTERM)
        patience_s = notice.drain_s + 2 * END_S + 5 if timeout_s is None else timeout_s
        if await_end([supervisor], patience_s):
            again = f"`{stop_command(port)}` hurries it, and waits on"
            raise WaitTimeoutError(f"the service on port {port} has not ended within {patience_s:g} s: {again}")
        speech.result({"port": port, "ended": len(notice.parts) + 1}, "stopped")


def _time_left(notice: Notice) -> str:
    """Say what time the running jobs have to end, if there are any."""
    try:
        running = readiness.depths(notice.redis_url)["running"]
    except redis.RedisError:
        return ""
    return f": {counted(running, 'running job')} {'has' if running == 1 else 'have'} {notice.drain_s:g} s" * (
        running > 0
    )


def _notice(runtime: Runtime, port: int) -> Notice:
    notice = runtime.read(port)
    if notice is None:
        raise NotRunningError(f"`dubq up` runs no service on port {port}; --port names another")
    return notice


def _clear(runtime: Runtime, notice: Notice) -> int:
    """End what a dead supervisor has left, unless another one is doing so."""
    claim = runtime.claim(notice.port)
    if claim is None:
        return 0
    try:
        ended = clean_up(notice)
        runtime.remove(notice.port)
    finally:
        claim.give_up()
    return ended


@click.command("server-status")
@port_option
@json_option
def server_status(port: int, speech: Speech) -> None:
    """Show the processes of the service that `dubq up` runs, whether it is ready, and how many jobs wait in it.

    Exit status: 0 if a job that is submitted now would be worked on, 5 if not.
    """
    with speech.reporting(), Runtime.of_user(os.environ) as runtime:
        found = _report(_notice(runtime, port))
        speech.result(found, _table(found))
    if not found["ready"]:
        raise click.exceptions.Exit(Exit.UNREACHABLE)


def _report(notice: Notice) -> dict[str, Any]:
    supervisor = notice.supervisor.process()
    health = readiness.health(notice.port) if supervisor else None
    try:
        jobs, busy = readiness.depths(notice.redis_url), readiness.busy(notice.redis_url)
    except redis.RedisError:
        jobs, busy = None, set()
    return {
        "ready": bool(health and health.get("status") in _READY),
        "url": notice.url,
        "redis_url": notice.redis_url,
        "data": notice.data,
        "logs": notice.logs,
        "readyz": health,
        "jobs": jobs,
        "processes": [
            {"name": "supervisor", "pid": notice.supervisor.pid, "state": "up" if supervisor else "down"},
            *(
                {"name": name, "pid": mark.pid, "state": _state(name, mark, busy)}
                for name, mark in notice.parts.items()
            ),
        ],
    }


def _state(name: str, leader: Mark, busy: set[int]) -> str:
    """Return up, busy (a worker with jobs) or down; a stock one that is down may be busy still, for its job goes on."""
    alive = members(leader)
    if not name.startswith((parts.WORKER, ORPHAN)):
        return "up" if alive else "down"
    has_job = any(each.pid != leader.pid or each.pid in busy for each in alive)
    return "busy" if has_job else "up" if alive else "down"


def _checks(health: dict[str, Any] | None) -> list[str]:
    """Return what of the service is not as it should be, in words."""
    checks = (health or {}).get("checks", {})
    return [f"  {check['state']:<12} {check['reason']}" for check in checks.values() if check["state"] != "ok"]


def _table(found: dict[str, Any]) -> str:
    depths = ", ".join(f"{count} {word}" for word, count in (found["jobs"] or {}).items())
    lines = [
        f"{found['url']}  {'ready' if found['ready'] else 'NOT READY'}",
        f"  Redis  {without_password(found['redis_url'])}",
        f"  jobs   {depths or 'unknown: Redis is away'}",
        f"  logs   {found['logs']}",
        *_checks(found["readyz"]),
        *(f"  {each['name']:<12} {each['pid']:>8}  {each['state']}" for each in found["processes"]),
    ]
    return "\n".join(lines)
