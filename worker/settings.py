"""What a worker needs to know, read from its environment once."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from contract import engines, law
from contract.addresses import NONE, Networks, parse_networks
from contract.errors import SettingsError
from contract.law import Law, Uniform
from contract.settings import Environment, number, one_of, whole
from store.settings import StoreSettings

from . import notifying

DEFAULT_LAW: Final[Law] = Uniform.of(5, 15)
DEFAULT_ERROR_RATE: Final = 0.1
SLOWEST, FASTEST = 0.01, 10_000.0
MOST_SLOTS: Final = 20_000
LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("json", "console")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """One worker's settings. The first of `engines` is for jobs that name none; `sim_…` describe the simulator.

    `webhook_private` are the networks that webhooks may go to besides public addresses; their schedule runs
    `webhook_speed` times as fast as real, and one attempt may take `webhook_timeout_s`.

    `slots` and `drain_s` are for the concurrent worker: how many jobs it runs at once, and how many seconds they are
    given to end when it has to go.
    """

    store: StoreSettings = field(default_factory=StoreSettings)
    engines: tuple[str, ...] = engines.DEFAULT
    sim_law: Law = DEFAULT_LAW
    sim_error_rate: float = DEFAULT_ERROR_RATE
    sim_seed: str | None = None
    sim_speed: float = 1.0
    webhook_private: Networks = NONE
    webhook_speed: float = 1.0
    webhook_timeout_s: float = 15.0
    slots: int = 500
    drain_s: float = 20.0
    log_level: str = "info"
    log_format: str = "json"

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        """Read the environment. Raises SettingsError with everything that is wrong."""
        env = Environment(values)
        settings = cls(
            store=StoreSettings.from_env(env),
            engines=env.read("DUBQ_ENGINE", engines.DEFAULT, engines.parse),
            sim_law=env.read("DUBQ_SIM_DURATION", DEFAULT_LAW, law.parse),
            sim_error_rate=env.read("DUBQ_SIM_ERROR_RATE", DEFAULT_ERROR_RATE, number(0, 1)),
            sim_seed=env.read("DUBQ_SIM_SEED", None, str),
            sim_speed=env.read("DUBQ_SIM_SPEED", 1.0, number(SLOWEST, FASTEST)),
            webhook_private=env.read("DUBQ_WEBHOOK_PRIVATE", NONE, parse_networks),
            webhook_speed=env.read("DUBQ_WEBHOOK_SPEED", 1.0, number(SLOWEST, FASTEST)),
            webhook_timeout_s=env.read("DUBQ_WEBHOOK_TIMEOUT_S", 15.0, number(0.1, 60)),
            slots=env.read("DUBQ_SLOTS", 500, whole(1, MOST_SLOTS)),
            drain_s=env.read("DUBQ_DRAIN_S", 20.0, number(0, 86_400)),
            log_level=env.read("DUBQ_LOG_LEVEL", "info", one_of(*LEVELS)),
            log_format=env.read("DUBQ_LOG_FORMAT", "json", one_of(*FORMATS)),
        )
        if settings.store.notify_schemes and not notifying.is_installed():
            env.refuse("DUBQ_NOTIFY_SCHEMES needs what is installed with the extra notify: pip install 'dubq[notify]'")
        env.check()
        return settings


def settings_or_exit(values: Mapping[str, str]) -> WorkerSettings:
    """Read the environment; say what is wrong with it and end the process, before its first job, if anything is."""
    try:
        return WorkerSettings.from_env(values)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201 - the log is set up with these very settings
        sys.exit(2)
