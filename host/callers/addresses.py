"""Which addresses a caller may have the host call: those of the internet, and none of the networks around the host."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ...bindings.errors import BindingError

#: IPv6 addresses that stand for one of IPv4 in their last 32 bits (NAT64).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

#: Characters of a URL.
_LONGEST = 2048

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def checked_url(url: str) -> str:
    """A URL that can be called. Raises `BindingError` for any other."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise BindingError(
            "The URL to be called is not an http or https URL of at most 2048 ASCII characters."
        )
    return url


def is_public(address: str) -> bool:
    """Whether an address is one of the internet, also where it stands for another one."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in (found, *_inner(found)))


def _inner(address: _Address) -> list[_Address]:
    """The addresses of IPv4 that one of IPv6 stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[_Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64 or address.packed[:12] == bytes(12):
        found.append(ipaddress.IPv4Address(address.packed[12:]))
    if address.teredo:
        found += address.teredo
    return [one for one in found if one is not None]


class Destinations:
    """Where calls may go. `hosts` are names and addresses that may be anywhere, ``*`` stands for all."""

    def __init__(self, hosts: str | None, *, everywhere: bool = False) -> None:
        names = {name.strip().lower() for name in (hosts or "").split(",")}
        self._everywhere = everywhere or "*" in names
        self._names = names - {""}

    def allow_any_address(self, host: str) -> bool:
        """Whether a host of this name may be called wherever it is."""
        return self._everywhere or host.lower().strip("[]") in self._names
