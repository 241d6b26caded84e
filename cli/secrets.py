"""`dubq webhook-secret`: what webhooks are signed with."""

import os
from typing import Final

import click
import redis

from contract.errors import ServiceUnavailableError
from contract.settings import Environment
from store.secrets import OVERLAP_S, WebhookSecrets
from store.settings import StoreSettings, connect

from .exits import NotRunningError
from .runtime import Runtime
from .speech import Speech, json_option
from .up import port_option
from .values import Seconds

CLIENT: Final = "default"
"""The one client that there is, until there are tenants."""
PATIENCE_S: Final = 2.0


@click.command("webhook-secret")
@port_option
@click.option("--rotate", is_flag=True, help="Make a new one first; the old one goes on signing beside it for a while.")
@click.option(
    "--overlap",
    "overlap_s",
    type=Seconds(0, 10**7),
    default=OVERLAP_S,
    show_default=True,
    help="With --rotate: for so many seconds the old one goes on signing.",
)
@json_option
def webhook_secret(*, port: int, rotate: bool, overlap_s: float, speech: Speech) -> None:
    """Show what webhooks are signed with, the newest first; the first time it is made.

    It is read from the service that `dubq up` runs on a port, or else from the Redis at DUBQ_REDIS_URL.
    """
    with speech.reporting():
        url = _redis_url(port)
        try:
            with connect(url, max_connections=2, timeout_s=PATIENCE_S) as connection:
                secrets = WebhookSecrets(connection)
                if rotate:
                    secrets.rotate(CLIENT, overlap_s=overlap_s)
                found = secrets.live(CLIENT)
        except redis.RedisError as error:
            raise ServiceUnavailableError(f"Redis cannot be used: {error}") from None
        speech.result({"secrets": list(found)}, "\n".join(found))


def _redis_url(port: int) -> str:
    """Return where the service keeps its things. Raises NotRunningError."""
    with Runtime.of_user(os.environ) as runtime:
        notice = runtime.read(port)
    if notice is not None:
        return notice.redis_url
    if os.environ.get("DUBQ_REDIS_URL"):
        return StoreSettings.from_env(Environment(os.environ)).redis_url
    raise NotRunningError(f"`dubq up` runs no service on port {port}, and DUBQ_REDIS_URL names no Redis")
