"""Who asks: what a request tells of the page, the proxy or the name by which it came."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from ..configuration import Configuration

#: A name or an address, and perhaps a port.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^][:@/?#]+))(?::[0-9]*)?")

#: What proxies and tunnels add: the request comes from elsewhere, although the connection begins on this machine.
_OF_PROXIES = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host")


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site had a browser send this."""
    return _is_of_other_origin(headers) or headers.get("Sec-Fetch-Site", "none") not in (
        "none",
        "same-origin",
    )


def _is_of_other_origin(headers: Mapping[str, str]) -> bool:
    origin = headers.get("Origin")
    if origin is None:
        return False
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        return True
    # A browser sends "null" for pages that have no origin of their own, such as files.
    return not place or place != headers.get("Host")


def is_developers(configuration: Configuration, headers: Mapping[str, str]) -> bool:
    """Whether a request needs no key for what is its developer's: the host is theirs alone, and asked as such."""
    is_theirs = configuration.is_local and not configuration.asks_for_keys
    return is_theirs and asks_this_machine(headers) and not _is_of_other_origin(headers)


def asks_this_machine(headers: Mapping[str, str]) -> bool:
    """Whether the request is addressed to this machine by its own name, and no proxy handed it on.

    Asked where only this machine can connect. A website can have its own name lead here (DNS rebinding), and its pages
    are then of the same origin as the host: that name gives them away.
    """
    if any(name in headers for name in _OF_PROXIES):
        return False
    host = headers.get("Host")
    # Every browser sends it; what does not is a tool of HTTP/1.0.
    return host is None or _is_own_name(host)


def _is_own_name(host: str) -> bool:
    found = _HOST.fullmatch(host.lower())
    name = (found[1] or found[2]).removesuffix(".") if found else ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
