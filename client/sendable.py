"""What can be sent at all: addresses, header values and bodies, checked before anything is."""

import json
import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")


def check_url(url: str) -> None:
    """Raise ValueError unless `url` can be the address of a service, TypeError if it is no string."""
    if not isinstance(url, str):
        raise TypeError(f"url has to be a str, not {type(url).__name__}")
    try:
        wrong = _wrong_with(url, urlsplit(url))
    except ValueError as error:  # brackets that hold no IPv6 address, a port that is no number
        wrong = str(error)
    if wrong:
        raise ValueError(f"url has to be an address such as http://127.0.0.1:5000, not {url!r}: {wrong}")


def check_token(token: str) -> None:
    """Raise ValueError unless `token` can be sent in a header, TypeError if it is no string."""
    check_visible("token", token)


def _wrong_with(url: str, parts: SplitResult) -> str | None:
    if not url.isprintable() or " " in url or "\\" in url:
        return "it has spaces, or characters that no address has"
    if parts.scheme not in {"http", "https"}:
        return "it does not begin with http:// or https://"
    if "?" in url or "#" in url:
        return "it goes on after its path"
    return _wrong_with_host(parts.hostname or "") or ("its port is 0" if parts.port == 0 else None)


def _wrong_with_host(host: str) -> str | None:
    if ":" in host:
        IPv6Address(host.partition("%")[0])
        return None
    name = host.removesuffix(".")
    try:
        name.encode("idna")
    except UnicodeError:
        return "its host is no name"
    if not name or name.startswith("*"):
        return "it names no host"
    return None


def check_visible(name: str, value: str) -> None:
    """Raise ValueError unless `value` can be sent in a header, TypeError if it is no string."""
    # the value stays out of the message: it may be a secret
    if not isinstance(value, str):
        raise TypeError(f"{name} has to be a str, not {type(value).__name__}")
    if not _VISIBLE.fullmatch(value):
        raise ValueError(f"{name} has to be visible ASCII characters only, without spaces or line ends")


def check_json(body: Mapping[str, Any]) -> None:
    """Raise ValueError for what JSON cannot say."""
    try:
        json.dumps(body, allow_nan=False)
    except RecursionError as error:
        raise ValueError("what is nested so deep cannot be sent as JSON") from error
    except ValueError as error:
        raise ValueError(f"this cannot be sent as JSON: {error}") from error
