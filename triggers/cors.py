"""Cross-origin requests: which origins may call, and what a browser is told about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..bindings.errors import ConfigurationError
from .http_response import Headers, Reply, is_header_value


class Cors:
    """The policy of a host: any method and any header, from the origins that are listed (``*`` for all)."""

    def __init__(self, origins: Iterable[str], *, credentials: bool = False) -> None:
        self._origins = frozenset(origin.strip().rstrip("/").lower() for origin in origins if origin.strip())
        self._any = "*" in self._origins
        self._credentials = credentials
        if self._any and credentials:
            raise ConfigurationError(
                "CORS cannot allow credentials to every origin; name the origins instead of '*'.", key="cors"
            )

    def headers(self, origin: str | None) -> Headers:
        """What to add to a response for a request from this origin."""
        if origin is None or not self._allows(origin):
            return ()
        if self._any:
            return (("Access-Control-Allow-Origin", "*"),)
        found = (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))
        return (*found, ("Access-Control-Allow-Credentials", "true")) if self._credentials else found

    def preflight(self, method: str, headers: Mapping[str, str]) -> Reply | None:
        """The answer to a browser's question beforehand, or None when the request is none."""
        wanted = headers.get("Access-Control-Request-Method")
        origin = headers.get("Origin")
        if method != "OPTIONS" or wanted is None or origin is None:
            return None
        if not self._allows(origin):
            return Reply(204)
        asked = headers.get("Access-Control-Request-Headers")
        allowed = (("Access-Control-Allow-Methods", wanted), ("Access-Control-Allow-Headers", asked))
        # What cannot be a header's value is not repeated to the browser, which then refuses by itself.
        return Reply(204, tuple((name, value) for name, value in allowed if value and is_header_value(value)))

    def _allows(self, origin: str) -> bool:
        return self._any or origin.lower() in self._origins
