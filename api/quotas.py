"""The headers that tell a caller of its limits. Source: draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4."""

from collections.abc import Mapping
from typing import Final

import flask

from contract.errors import RateLimitedError
from contract.limits import Limit
from store.pace import Standing

POLICY: Final = "RateLimit-Policy"
LEFT: Final = "RateLimit"
_UNITS: Final[Mapping[str, str]] = {Limit.STREAMS: ';qu="concurrent-requests"'}
"""Of all others the unit is a request, which need not be said."""


def tell_refusal(response: flask.Response, error: RateLimitedError) -> None:
    """Have a refusal tell of the limit that it is about; of that of requests `tell_standing` does."""
    if error.limit and error.limit != Limit.REQUESTS and error.most is not None:
        response.headers[POLICY] = f'"{error.limit}";q={error.most}{_UNITS.get(error.limit, "")}'
        response.headers[LEFT] = f'"{error.limit}";r=0;t={error.retry_after_s or 0}'


def tell_standing(response: flask.Response, standing: Standing) -> None:
    """Have an answer tell how its caller stands with its requests."""
    rate = standing.rate
    _put_first(response, POLICY, f'"{Limit.REQUESTS}";q={rate.most};w={rate.within_s}')
    _put_first(response, LEFT, f'"{Limit.REQUESTS}";r={standing.left};t={standing.again_s}')


def _put_first(response: flask.Response, name: str, item: str) -> None:
    headers = response.headers
    if name in headers:
        headers[name] = f"{item}, {headers[name]}"
    else:
        headers.add(name, item)
