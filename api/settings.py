"""Everything the API process takes from its environment, read once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final, Literal, Self, cast
from urllib.parse import parse_qs, urlsplit

from contract import engines, law
from contract.addresses import EVERYWHERE, NONE, Networks, Reach, parse_networks
from contract.law import Law
from contract.limits import Limits, Rate, count, rate
from contract.settings import Environment, number, one_of, whole
from store.settings import StoreSettings, parse_redis_url, without_login

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["json", "console"]

_NOBODY: Final = "none"
NOT_ALONE: Final = (
    "without tokens the service listens on loopback alone; DUBQ_AUTH=on asks for them, "
    "DUBQ_BEHIND_LOOPBACK=yes says that only this machine can reach that address"
)
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
FOR_TENANTS: Final = Limits(requests=Rate(10_000, 10), queued=10_000, streams=1000)
"""The limits where tokens are asked for, unless others are given. Where none are, nobody is there to be held back."""
OF_ADMIN: Final = Rate(20_000, 10)
WRONG_TOKENS: Final[Rate | None] = Rate(100, 60)
_SECRET: Final = re.compile(r"[\x21-\x7e]{20,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """`public_redis_url` is what clients are told to subscribe with; None: they are told of no Redis.

    Without `auth` whoever reaches the service may do everything, so it listens on loopback alone, unless
    `is_behind_loopback`: something else sees to that. `admin_token` None: the service makes one;
    `metrics_token` opens the metrics, and nothing else.
    `origins` are those of the web pages that may use the service besides its own.
    `webhook_private` are the networks that webhooks may go to besides public addresses, `video_private` the same for
    videos.
    `limits` are those of a client that has none of its own, `wrong_tokens` how many one address may send; where a
    request comes from, the `proxies` before us say, that are so many. `in_flight`: requests that a process works on.
    `engines` are those that a submission may name; the first is for those that name none. If the simulator is one of
    them, `sim_outages` lets the operator play outages, and `sim_latency` is how long every answer takes besides.
    """

    store: StoreSettings = field(default_factory=StoreSettings)
    bind: str = "127.0.0.1:5000"
    processes: int = 1
    auth: bool = False
    admin_token: str | None = field(default=None, repr=False)
    metrics_token: str | None = field(default=None, repr=False)
    is_behind_loopback: bool = False
    limits: Limits = field(default_factory=Limits)
    admin_requests: Rate | None = None
    wrong_tokens: Rate | None = WRONG_TOKENS
    proxies: int = 0
    in_flight: int = 2000
    public_redis_url: str | None = None
    webhook_private: Networks = NONE
    video_private: Networks = EVERYWHERE
    engines: tuple[str, ...] = engines.DEFAULT
    sim_outages: bool = False
    sim_latency: Law | None = None
    sim_seed: str | None = None
    origins: frozenset[str] = frozenset()
    max_body_bytes: int = 1024 * 1024
    log_level: LogLevel = "info"
    log_format: LogFormat = "json"

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        """Read the settings. Raises SettingsError with everything that is wrong."""
        env = Environment(values)
        store = StoreSettings.from_env(env)
        auth = env.read("DUBQ_AUTH", "off", one_of("on", "off")) == "on"
        limits = _limits(env, FOR_TENANTS if auth else Limits(), store.client_running)
        shown = without_login(store.redis_url) if auth else without_secret(store.redis_url)
        settings = cls(
            store=replace(store, client_queued=limits.queued),
            auth=auth,
            limits=limits,
            admin_requests=env.read("DUBQ_ADMIN_REQUESTS", OF_ADMIN if auth else None, rate),
            wrong_tokens=env.read("DUBQ_WRONG_TOKENS", WRONG_TOKENS, rate),
            proxies=env.read("DUBQ_PROXIES", 0, whole(0, 10)),
            in_flight=env.read("DUBQ_IN_FLIGHT", 2000, whole(1, 100_000)),
            admin_token=env.read("DUBQ_ADMIN_TOKEN", None, _secret, secret=True),
            metrics_token=env.read("DUBQ_METRICS_TOKEN", None, _secret, secret=True),
            is_behind_loopback=env.read("DUBQ_BEHIND_LOOPBACK", "no", one_of("yes", "no")) == "yes",
            bind=env.read("DUBQ_BIND", "127.0.0.1:5000", _bind),
            processes=env.read("WEB_CONCURRENCY", 1, _processes),
            public_redis_url=env.read("DUBQ_PUBLIC_REDIS_URL", shown, _public_url, secret=True),
            webhook_private=env.read("DUBQ_WEBHOOK_PRIVATE", NONE, parse_networks),
            # with tokens a submitter is not the operator, whose network an engine would open to it
            video_private=env.read("DUBQ_VIDEO_PRIVATE", NONE if auth else EVERYWHERE, parse_networks),
            engines=env.read("DUBQ_ENGINE", engines.DEFAULT, engines.parse),
            sim_outages=env.read("DUBQ_SIM_OUTAGES", "off", one_of("on", "off")) == "on",
            sim_latency=env.read("DUBQ_SIM_LATENCY", None, law.parse),
            sim_seed=env.read("DUBQ_SIM_SEED", None, str),
            origins=env.read("DUBQ_ORIGINS", frozenset[str](), _origins),
            log_level=cast("LogLevel", env.read("DUBQ_LOG_LEVEL", "info", one_of("debug", "info", "warning", "error"))),
            log_format=cast("LogFormat", env.read("DUBQ_LOG_FORMAT", "json", one_of("json", "console"))),
        )
        if not settings.may_listen_at(settings.bind):
            env.refuse(f"DUBQ_BIND={settings.bind!r}: {NOT_ALONE}")
        env.check()
        return settings

    @property
    def reach(self) -> Reach:
        """Where the URLs of a submission may lead."""
        return Reach(self.webhook_private, self.video_private)

    @property
    def simulates(self) -> bool:
        """Whether the simulator is among the engines, so that there are simulated worlds."""
        return engines.SIMULATOR in self.engines

    def may_listen_at(self, address: str) -> bool:
        """Whether the service may be reached by whoever can reach an address."""
        return self.auth or self.is_behind_loopback or is_loopback(address)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address: `host:port`, or `unix:/path`."""
    host = address.rpartition(":")[0].strip("[]")
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # another name, or none: it may lead anywhere
        return False


def without_secret(redis_url: str) -> str | None:
    """Return the URL if it can be shown to callers as it is; None if it holds a password."""
    parts = urlsplit(redis_url)
    return None if parts.password or "password" in parse_qs(parts.query) else redis_url


def _origins(text: str) -> frozenset[str]:
    """Read origins with commas between them. Raises ValueError."""
    found = frozenset(each.strip().lower() for each in text.split(","))
    for each in found:
        if not (_ORIGIN.fullmatch(each) and urlsplit(each).hostname):
            raise ValueError("has to be origins such as https://app.example.com, with commas between them")
    return found


def _limits(env: Environment, otherwise: Limits, running: int | None) -> Limits:
    return Limits(
        requests=env.read("DUBQ_CLIENT_REQUESTS", otherwise.requests, rate),
        queued=env.read("DUBQ_CLIENT_QUEUED", otherwise.queued, count(0)),
        running=running,
        streams=env.read("DUBQ_CLIENT_STREAMS", otherwise.streams, count(0)),
    )


def _public_url(text: str) -> str | None:
    return None if text.lower() == _NOBODY else parse_redis_url(text)


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("has to be 20 to 200 visible ASCII characters")
    return text


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
