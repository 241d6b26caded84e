"""Everything the API process takes from its environment, read once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self, cast
from urllib.parse import parse_qs, urlsplit

from contract import engines, law
from contract.addresses import NONE, Networks, parse_networks
from contract.law import Law
from contract.settings import Environment, number, one_of
from store.settings import StoreSettings, parse_redis_url

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

_NOBODY: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """`public_redis_url` is what clients are told to subscribe with; None: they are told of no Redis.

    `webhook_private` are the networks that webhooks may go to besides public addresses.
    `engines` are those that a submission may name; the first is for those that name none. If the simulator is one of
    them, `sim_outages` lets the operator play outages, and `sim_latency` is how long every answer takes besides.
    """

    store: StoreSettings = field(default_factory=StoreSettings)
    bind: str = "127.0.0.1:5000"
    processes: int = 1
    public_redis_url: str | None = None
    webhook_private: Networks = NONE
    engines: tuple[str, ...] = engines.DEFAULT
    sim_outages: bool = False
    sim_latency: Law | None = None
    sim_seed: str | None = None
    max_body_bytes: int = 1024 * 1024
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        """Read the settings. Raises SettingsError with everything that is wrong."""
        env = Environment(values)
        store = StoreSettings.from_env(env)
        env.read("DUBQ_AUTH", "off", _auth)
        settings = cls(
            store=store,
            bind=env.read("DUBQ_BIND", "127.0.0.1:5000", _bind),
            processes=env.read("WEB_CONCURRENCY", 1, _processes),
            public_redis_url=env.read(
                "DUBQ_PUBLIC_REDIS_URL", without_secret(store.redis_url), _public_url, secret=True
            ),
            webhook_private=env.read("DUBQ_WEBHOOK_PRIVATE", NONE, parse_networks),
            engines=env.read("DUBQ_ENGINE", engines.DEFAULT, engines.parse),
            sim_outages=env.read("DUBQ_SIM_OUTAGES", "off", one_of("on", "off")) == "on",
            sim_latency=env.read("DUBQ_SIM_LATENCY", None, law.parse),
            sim_seed=env.read("DUBQ_SIM_SEED", None, str),
            log_level=cast("LogLevel", env.read("DUBQ_LOG_LEVEL", "info", one_of("debug", "info", "warning", "error"))),
            log_format=cast("LogFormat", env.read("DUBQ_LOG_FORMAT", "json", one_of("json", "console"))),
        )
        env.check()
        return settings

    @property
    def simulates(self) -> bool:
        """Whether the simulator is among the engines, so that there are simulated worlds."""
        return engines.SIMULATOR in self.engines

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the service at its address."""
        return self.bind.startswith(("unix:", "127.", "localhost:", "[::1]:"))


def without_secret(redis_url: str) -> str | None:
    """Return the URL if it can be shown to callers as it is; None if it holds a password."""
    parts = urlsplit(redis_url)
    return None if parts.password or "password" in parse_qs(parts.query) else redis_url


def _public_url(text: str) -> str | None:
    return None if text.lower() == _NOBODY else parse_redis_url(text)


def _auth(text: str) -> str:
    if text.lower() != "off":
        raise ValueError("has to be off: this version has no tenants yet, so keep the service on loopback")
    return "off"


def _bind(text: str) -> str:
    _, colon, port = text.rpartition(":")
    if text.startswith("unix:/") or (colon and port.isdecimal() and int(port) < 2**16):
        return text
    raise ValueError("has to be host:port or unix:/path")


def _processes(text: str) -> int:
    value = number(1, 256)(text)
    if value != int(value):
        raise ValueError("has to be a whole number")
    return int(value)
