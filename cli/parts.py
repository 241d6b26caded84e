"""The parts of the service, each as the very command that one would type to run it alone."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from api.settings import ApiSettings
from contract.addresses import LOOPBACK
from contract.errors import SettingsError
from worker.settings import WorkerSettings

from . import embedded
from .ground import Ground, Wish
from .processes import Part

VALKEY: Final = "valkey"
API: Final = "api"
WORKER: Final = "worker-"

HOUSE: Final = Path(__file__).resolve().parents[1]
"""The folder of our packages, where the parts run: they shall not import what lies where the user is."""

CONCURRENT: Final = "worker.concurrent.ConcurrentWorker"


def check(env: Mapping[str, str]) -> None:
    """Raise SettingsError with everything that is wrong for any of the parts, before any of them is started."""
    problems: dict[str, None] = {}  # the store's are found by both
    for read in (ApiSettings.from_env, WorkerSettings.from_env):
        try:
            read(env)
        except SettingsError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise SettingsError(list(problems))


def needs_admin(env: Mapping[str, str]) -> bool:
    """Whether the API is to ask for tokens, and nobody has given one to its admin."""
    settings = ApiSettings.from_env(env)
    return settings.auth and settings.admin_token is None


def valkey(ground: Ground, env: Mapping[str, str]) -> list[Part]:
    """Return the embedded Valkey; nothing if somebody else's Redis is used."""
    if ground.data is None or ground.data_claim is None:
        return []
    argv = embedded.command(embedded.find_server(), ground.socket, ground.data)
    log = ground.logs / "valkey.log"
    return [Part(name=VALKEY, argv=argv, env=env, folder=ground.data, log=log, keeps=(ground.data_claim.fd,))]


def api(ground: Ground, env: Mapping[str, str]) -> Part:
    """Return the API: gunicorn, on the socket that is already listening."""
    fd = ground.listener.fileno()
    argv = (
        *(sys.executable, "-m", "gunicorn", "-c", "python:api.gunicorn_conf"),
        *("--bind", f"fd://{fd}", "--no-control-socket", "api.app:from_env()"),
    )
    env = _environment(ground, env)
    return Part(name=API, argv=argv, env=env, folder=HOUSE, log=ground.logs / "api.log", keeps=(fd,))


def workers(ground: Ground, wish: Wish) -> list[Part]:
    """Return the workers: each has many jobs under way at once, or one if RQ's own are wished for."""
    argv = (
        *(sys.executable, "-m", *(() if wish.stock else ("gevent.monkey", "--module")), "rq.cli", "worker"),
        *("-S", "json", "-c", "worker.rq_config", *(() if wish.stock else ("-w", CONCURRENT))),
        # a worker that is killed is counted as one for half a minute, not for the seven minutes that RQ is used to
        *("--worker-ttl", "30", "--job-monitoring-interval", "15"),
    )
    # RQ reads the URL from its environment, where no password is shown to everyone who lists processes
    env = {
        **_environment(ground, wish.env),
        "RQ_REDIS_URL": ground.redis_url,
        "DUBQ_DRAIN_S": f"{wish.drain_s:g}",
    }
    return [
        Part(name=name, argv=argv, env=env, folder=HOUSE, log=ground.logs / f"{name}.log")
        for name in (f"{WORKER}{number}" for number in range(1, wish.workers + 1))
    ]


def _environment(ground: Ground, env: Mapping[str, str]) -> dict[str, str]:
    # whoever can reach a service on loopback is on this machine already, and so are the receivers that are tried there
    ours = {"DUBQ_REDIS_URL": ground.redis_url, "PYTHONUNBUFFERED": "1"}
    return {"DUBQ_WEBHOOK_PRIVATE": LOOPBACK, **env, **ours}
