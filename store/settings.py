"""What the store needs to know, and how a process connects to its Redis."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from contract.job import STAGES
from contract.limits import count
from contract.notice import parse_schemes
from contract.settings import Environment, number

if TYPE_CHECKING:
    import redis

DEFAULT_URL: Final = "redis://127.0.0.1:6379/0"
_SCHEMES: Final = ("redis", "rediss", "unix")
_OF_LOGIN: Final = frozenset({"username", "password", "db"})
_DATABASE: Final = re.compile(r"/?[0-9]*")
_limit = number(1, 7 * 86_400)


@dataclass(frozen=True, slots=True)
class StageLimit:
    """How long a stage may take, in seconds: `each_s`, save for those that `own_s` names."""

    each_s: float = math.inf
    own_s: tuple[tuple[str, float], ...] = ()

    def seconds(self, stage: str | None) -> float:
        """Return the limit of one stage; what comes before the first stage has none."""
        return math.inf if stage is None else dict(self.own_s).get(stage, self.each_s)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read seconds, for all stages, and `stage:seconds`, with commas between them. Raises ValueError."""
        each_s, own_s = math.inf, []
        for part in text.split(","):
            stage, colon, seconds = part.strip().rpartition(":")
            if colon and stage not in STAGES:
                raise ValueError(f"{stage!r} is no stage; there are {', '.join(STAGES)}")
            limit_s = _limit(seconds)
            if colon:
                own_s.append((stage, limit_s))
            else:
                each_s = limit_s
        return cls(each_s, tuple(own_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Times in seconds, infinite where there is no limit.

    `lease_s`: a running job whose worker is silent for so long is given to another. `stray_after_s`: so long a job may
    be on its way from the queue to a worker that begins it. `stall_limit_s`: so long a run may show no progress; None
    says that only what is learned from past jobs counts.

    `window`: jobs that RQ's list has at most. It has to last for what workers take before one of them starts its first,
    which lets more in. `client_running`, `client_queued`: jobs of one client that may run at a time, and be in the
    queue, unless it has limits of its own; None: any number.

    `notify_schemes`: by what clients may have people told of their jobs' ends, as apprise names it; empty: by nothing.
    """

    redis_url: str = DEFAULT_URL
    job_ttl_s: float = 86_400
    job_limit_s: float = 3_600
    queue_limit_s: float = math.inf
    stage_limit: StageLimit = StageLimit()
    stall_limit_s: float | None = None
    lease_s: float = 8
    stray_after_s: float = 2
    feed_length: int = 10_000
    window: int = 256
    client_running: int | None = None
    client_queued: int | None = None
    notify_schemes: frozenset[str] = frozenset()

    @classmethod
    def from_env(cls, env: Environment) -> Self:
        """Read the settings of the store; what is wrong is left with `env`."""
        url = env.read("DUBQ_REDIS_URL", DEFAULT_URL, parse_redis_url, secret=True)
        password = env.read("DUBQ_REDIS_PASSWORD_FILE", "", _held_by)
        if password and urlsplit(url).password:
            env.refuse("DUBQ_REDIS_PASSWORD_FILE: there is a password in DUBQ_REDIS_URL, too")
        return cls(
            redis_url=with_password(url, password) if password else url,
            job_ttl_s=env.read("DUBQ_JOB_TTL_S", 86_400.0, number(1, 10 * 365 * 86_400)),
            job_limit_s=env.read("DUBQ_JOB_LIMIT_S", 3_600.0, _limit),
            queue_limit_s=env.read("DUBQ_QUEUE_LIMIT_S", math.inf, _limit),
            stage_limit=env.read("DUBQ_STAGE_LIMIT_S", StageLimit(), StageLimit.parse),
            stall_limit_s=env.read("DUBQ_STALL_LIMIT_S", None, _limit),
            client_running=env.read("DUBQ_CLIENT_RUNNING", None, count(1)),
            notify_schemes=env.read("DUBQ_NOTIFY_SCHEMES", frozenset(), parse_schemes),
        )


def _held_by(path: str) -> str:
    try:
        found = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise ValueError(f"cannot be read: {error}") from None
    if not found:
        raise ValueError("has no password in it")
    return found


def connect(url: str, *, max_connections: int = 64, timeout_s: float = 5) -> redis.Redis:
    """Return a client that fails fast: its caller decides whether and when to try again.

    Replies stay bytes, as RQ wants them. A caller beyond `max_connections` waits for `timeout_s` at most.
    """
    # only now: gunicorn's first process reads settings, and what it has imported gevent comes too late to patch
    import redis  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout_s,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s, 2),
        # one more try at once: a connection that idled while Redis restarted fails its first command
        retry=Retry(NoBackoff(), 1),
        health_check_interval=30,
    )
    return redis.Redis(connection_pool=pool)


def parse_redis_url(text: str) -> str:
    """Return `text` if it is a URL of a Redis that we can connect to. Raises ValueError."""
    try:
        parts = urlsplit(text)
        path_is_good = bool(parts.path) if parts.scheme == "unix" else _DATABASE.fullmatch(parts.path) is not None
        good = parts.scheme in _SCHEMES and path_is_good and (parts.scheme == "unix" or parts.hostname)
        good = good and parts.port != 0
    except ValueError:  # its port is no number, its brackets hold no address
        good = False
    if not good:
        raise ValueError("has to be a URL such as redis://127.0.0.1:6379/0, rediss://… or unix:///path")
    return text


def with_password(redis_url: str, password: str) -> str:
    """Return the URL that logs in with a password."""
    parts = urlsplit(redis_url)
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()


def without_login(redis_url: str) -> str:
    """Return where a Redis is, without anybody's login and without a database: news know of none."""
    parts = urlsplit(redis_url)
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in _OF_LOGIN]
    path = parts.path if parts.scheme == "unix" else ""
    query = f"?{urlencode(options)}" if options else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}{query}"
