"""What of a request or an answer is kept in the history: everything but what opens doors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

#: Stands in the place of what is not kept.
MASK = "***"

#: Headers whose value is a secret, or holds one.
_HEADERS = frozenset(
    (
        "authorization",
        "callback-url",  # whoever is called may know his callers by it
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-functions-key",
        "x-ms-token-aad-id-token",
    )
)

#: What a name of a header or a query parameter holds that is for a secret.
_SECRET = re.compile(r"token|secret|passw|api-?_?key|access-?_?key|signature|credential", re.IGNORECASE)

#: Query parameters that are secrets though their names do not say so.
_PARAMETERS = frozenset(("code", "sig"))


def request_event(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a request beside its body, from an HTTP event's `data`."""
    return {
        "method": data["method"],
        "url": masked_url(data["url"]),
        "headers": [[name, _shown(name, value)] for name, value in data["headers"]],
        "params": data["params"],
    }


def masked_headers(headers: Any) -> list[list[str]]:
    """Headers as pairs, each secret masked. What is no pair of texts is left out: a function may give anything."""
    pairs = [pair for pair in headers if _is_pair(pair)] if isinstance(headers, list) else []
    return [[name, MASK if _is_secret(name) else value] for name, value in pairs]


@lru_cache(maxsize=1024)
def request_line(method: str, url: str) -> str:
    """A request in short, such as ``GET /api/hello``."""
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    return f"{method} /{path}"


@lru_cache(maxsize=1024)
def masked_url(url: str) -> str:
    """A URL with the secrets among its parameters masked. It may be any text: of a request, a caller chose its host."""
    place, mark, rest = url.partition("?")
    if not mark:
        return url
    query, hash_, fragment = rest.partition("#")
    pairs = [pair.partition("=") for pair in query.split("&")]
    shown = "&".join(f"{name}{sign}{MASK if _is_parameter(name) else value}" for name, sign, value in pairs)
    return f"{place}?{shown}{hash_}{fragment}"


def _shown(name: str, value: str) -> str:
    """A header of a request: a URL, such as the referrer, may have keys in it too."""
    if _is_secret(name):
        return MASK
    return masked_url(value) if "?" in value else value


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and type(value[0]) is type(value[1]) is str


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return name.lower() in _HEADERS or bool(_SECRET.search(name))


@lru_cache(maxsize=1024)
def _is_parameter(name: str) -> bool:
    name = unquote_plus(name)
    return name.lower() in _PARAMETERS or bool(_SECRET.search(name))
