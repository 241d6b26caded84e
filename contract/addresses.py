"""Where webhooks may be sent: which addresses are public, which the operator allows besides, and what a URL names."""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, Self, TypeAlias
from urllib.parse import quote, urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

NONE: Final[Networks] = ()
EVERYWHERE: Final[Networks] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
LOOPBACK: Final = "127.0.0.0/8,::1/128"
"""What a service for this machine alone may allow."""

# `is_global` is not asked: what it says differs between Python's minor versions.
# Source: IANA's IPv4 and IPv6 Special-Purpose Address Registries
_SPECIAL: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network; 0.0.0.0 is this machine
            "10.0.0.0/8",
            "100.64.0.0/10",  # behind a provider's NAT
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, and the metadata of clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_UNICAST: Final = IPv6Network("2000::/3")
"""All that is public of IPv6, save:"""
_SPECIAL_6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",
            "2002::/16",  # 6to4: an IPv4 address of anybody's choice in it
            "3fff::/20",
        ),
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""An IPv4 address as hosts without IPv4 see it. Source: RFC 6052."""

_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"
"""What stands in a path and query as it is: what is percent-encoded already stays so."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")


@dataclass(frozen=True, slots=True)
class Reach:
    """Networks that the URLs of a submission may lead to, besides public addresses."""

    webhooks: Networks = NONE
    videos: Networks = EVERYWHERE


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet's, whatever it is wrapped in."""
    address = _unwrapped(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL)
    return address in _UNICAST and not any(address in network for network in _SPECIAL_6)


def may_reach(address: Address, allowed: Networks) -> bool:
    """Whether webhooks may go there: it is public, or in one of the networks that the operator allows."""
    bare = _unwrapped(address)
    return is_public(bare) or any(bare in network for network in allowed)


def parse_networks(text: str) -> Networks:
    """Read `none`, `allow` (all there are) or a list such as `10.0.0.0/8, ::1`. Raises ValueError."""
    if text.lower() in ("none", "allow"):
        return NONE if text.lower() == "none" else EVERYWHERE
    try:
        return tuple(ip_network(each.strip()) for each in text.split(","))
    except ValueError as error:
        raise ValueError(f"has to be none, allow, or networks such as 10.0.0.0/8,::1/128 ({error})") from None


def literal(host: str) -> Address | None:
    """Return the address that a host is, in any of the spellings that systems take for one; None: it is a name.

    `2130706433`, `0177.0.0.1` and `127.1` are all 127.0.0.1, and so is `localhost`. Source: inet_aton(3), RFC 6761.
    """
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a URL leads: `host` is in ASCII, and an IPv6 address there has no brackets; `path` has the query, too."""

    is_secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Read a URL. Raises ValueError, which says what is wrong with it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # brackets without an address in them, a port that is no number
            raise ValueError("has to be a URL such as https://example.com/hook") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ValueError("has to be an http or https URL with a host")
        if "@" in parts.netloc:
            raise ValueError("may not have a user name or password in it")
        is_secure = parts.scheme == "https"
        path = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
        return cls(is_secure=is_secure, host=_ascii(parts.hostname), port=port or _port(is_secure), path=path)

    @property
    def authority(self) -> str:
        """What the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _port(self.is_secure) else f"{host}:{self.port}"

    def refusal(self, allowed: Networks) -> str | None:
        """Say why nothing may be sent there, where that can be told without asking for the name's addresses."""
        address = literal(self.host)
        return None if address is None else forbidden([address], allowed)


def forbidden(addresses: Iterable[Address], allowed: Networks) -> str | None:
    """Say why nothing may be sent to a host with these addresses: each of them has to be allowed."""
    wrong = next((each for each in addresses if not may_reach(each, allowed)), None)
    return None if wrong is None else f"{wrong} is not a public address, and not one that this service may call"


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _ascii(host: str) -> str:
    try:
        found = host.encode("ascii" if host.isascii() else "idna").decode("ascii")
    except UnicodeError:
        found = ""
    if not _HOST.fullmatch(found):
        raise ValueError("has to have a host that is a name or an address")
    return found


def _port(is_secure: bool) -> int:  # noqa: FBT001 - one of two schemes
    return 443 if is_secure else 80
