"""Where a request comes from, as far as that can be known."""

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

_SITE_BITS = 64
"""What one caller has of an IPv6 address for itself, and may change at will."""


def address_of(peer: str | None, forwarded: str, proxies: int) -> str:
    """Return the address that a request comes from, of an IPv6 address its network.

    `peer` is who has connected, None for a Unix socket. The last of so many `proxies` has written the last address into
    `forwarded` (X-Forwarded-For), the one before it the last but one; what stands further in front anybody may have
    written.
    """
    hops = forwarded.split(",")
    told = hops[-proxies].strip() if 0 < proxies <= len(hops) else ""
    return _network(told) or _network(peer or "") or "unix"


@lru_cache(maxsize=4096)
def _network(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Network((address, _SITE_BITS), strict=False))
    return str(address)
