"""Asking the service for what no client library has a method for, such as what only the admin may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests

from client.desk import url_or_default
from client.transport import Bearer
from contract.errors import ServiceUnavailableError
from contract.revival import revive

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_S: Final = 10.0


def ask(
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    url: str | None,
    token: str | None,
    client_id: str | None = None,
) -> dict[str, Any]:
    """Send one request and return what is answered, {} for nothing. Raises what the service refuses it with.

    With a `client_id` the admin acts for that client.

    It is not sent twice: a client that was made and never shown is rotated by whoever finds it.
    """
    address = url_or_default(url).rstrip("/")
    try:
        answer = requests.request(
            method,
            address + path,
            json=body,
            headers={"X-Client-Id": client_id} if client_id else None,
            auth=Bearer(token) if token else None,
            timeout=PATIENCE_S,
            allow_redirects=False,
        )
        found: dict[str, Any] = answer.json() if answer.content else {}
    except (requests.RequestException, ValueError) as error:  # the latter: something that is no JSON
        raise ServiceUnavailableError(f"{address} cannot be reached just now: {error}") from None
    if answer.ok:
        return found
    raise revive({**found, "status": answer.status_code}, job_id=None, job=None)
