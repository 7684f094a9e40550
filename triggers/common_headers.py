"""The headers that every response of a host gets: those of CORS, and the custom ones of host.json."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp.web import BaseRequest, StreamResponse

from ..bindings.errors import ConfigurationError
from .cors import Cors
from .http_response import Headers, Reply, ResponseError, checked_headers

#: Else aiohttp would tell everybody its version, and Python's.
_SERVER = ("Server", "funchost")


class CommonHeaders:
    """Puts them on responses. Those of CORS replace a response's own, custom ones fill in what it does not say."""

    def __init__(self, cors: Cors | None, custom: Mapping[str, str]) -> None:
        """Raises `ConfigurationError` for custom headers that cannot be sent."""
        self._cors = cors
        self._custom = _checked(custom)
        self._any = cors is not None or bool(self._custom)

    def on_reply(self, request: BaseRequest, reply: Reply) -> Reply:
        """The reply with them."""
        return with_headers(reply, self._of_cors(request), self._custom) if self._any else reply

    def on_response(self, request: BaseRequest, response: StreamResponse) -> StreamResponse:
        """The response of aiohttp's, with them unless it has begun."""
        if not response.prepared:
            response.headers.update(self._of_cors(request))
            for name, value in (*self._custom, _SERVER):
                response.headers.setdefault(name, value)
        return response

    def _of_cors(self, request: BaseRequest) -> Headers:
        return self._cors.headers(request.headers.get("Origin")) if self._cors is not None else ()


def with_headers(reply: Reply, forced: Headers, defaults: Headers) -> Reply:
    """The reply with more headers: `forced` ones replace its own, `defaults` only fill in."""
    replaced = {name.lower() for name, _ in forced if name != "Vary"}
    kept = tuple(pair for pair in reply.headers if pair[0].lower() not in replaced)
    taken = {name.lower() for name, _ in kept + forced}
    added = tuple(pair for pair in defaults if pair[0].lower() not in taken)
    return Reply(reply.status, kept + forced + added, reply.body, reply.close)


def _checked(headers: Mapping[str, str]) -> Headers:
    try:
        return checked_headers(headers.items())
    except ResponseError as error:
        raise ConfigurationError(
            str(error).replace("The response", "The list of custom headers"),
            file="host.json",
            key="extensions.http.customHeaders",
        ) from None
